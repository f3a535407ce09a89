# Opens the server's memory.
# expect: FileNotFoundError
# expect landlock: PermissionError
import os

try:
    open("/proc/%s/mem" % os.environ["T_PID"], "rb").read(1)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
