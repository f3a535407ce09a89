# Opens a file of the server to everybody.
# expect: FileNotFoundError
# expect landlock: PermissionError
import os

try:
    os.chmod(os.environ["T_SECRET"], 0o777)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
