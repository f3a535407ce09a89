# Listens to everybody's packets.
# expect: PermissionError
# expect landlock: OSError
import socket

try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
