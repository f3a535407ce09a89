# Carries data out in the names that it asks for.
# expect: gaierror
import socket

try:
    socket.getaddrinfo("secret.example.com", 80)
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
