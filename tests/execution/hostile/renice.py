# Takes the server's time.
# expect: ProcessLookupError
# expect landlock: PermissionError
import os

try:
    os.setpriority(os.PRIO_PROCESS, int(os.environ["T_PID"]), 19)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
