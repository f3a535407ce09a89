# Sends a packet into the network.
# expect: OSError
import socket

try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("10.0.0.1", 53))
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
