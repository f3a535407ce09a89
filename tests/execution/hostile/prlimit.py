# Takes the server's right to open files.
# expect: ProcessLookupError
# expect landlock: PermissionError
import os
import resource

try:
    resource.prlimit(int(os.environ["T_PID"]), resource.RLIMIT_NOFILE, (0, 0))
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
