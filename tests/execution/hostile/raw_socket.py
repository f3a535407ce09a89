# Makes packets by hand.
# expect: PermissionError
# expect landlock: OSError
import socket

try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
