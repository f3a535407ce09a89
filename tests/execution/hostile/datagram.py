# Sends to a socket without connecting to it.
# expect: (FileNotFoundError|OSError)
import os
import socket

try:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", os.environ["T_SOCKET"])
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
