# Reads a file of the server.
# expect: FileNotFoundError
# expect landlock: PermissionError
import os

try:
    open(os.environ["T_SECRET"]).read()
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
