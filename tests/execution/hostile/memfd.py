# Keeps memory in a file that nobody counts.
# expect: PermissionError
import os

try:
    os.memfd_create("x")
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
