# Connects to a server on this machine.
# expect: (ConnectionRefusedError|OSError)
import os
import socket

try:
    socket.create_connection(("127.0.0.1", int(os.environ["T_PORT"])), 2)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
