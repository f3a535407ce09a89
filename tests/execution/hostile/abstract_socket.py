# Connects to a socket that has no place in the file system.
# expect: ConnectionRefusedError
# expect landlock: PermissionError
import os
import socket

try:
    socket.socket(socket.AF_UNIX).connect("\0" + os.environ["T_ABSTRACT"])
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
