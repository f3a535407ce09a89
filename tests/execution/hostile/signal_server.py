# Ends the server.
# expect: ProcessLookupError
# expect landlock: PermissionError
import os

try:
    os.kill(int(os.environ["T_PID"]), 9)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
