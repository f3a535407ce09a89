# Types into the terminal of whoever has started it.
# expect: PermissionError
import fcntl
import os
import sys

try:
    try:
        _, end = os.openpty()
    except OSError:
        end = os.open("/dev/null", os.O_RDWR)
    for byte in b"id\n":
        fcntl.ioctl(end, 0x5412, bytes([byte]))
    print("succeeded")
except OSError as error:
    print(type(error).__name__)
sys.exit(0)
