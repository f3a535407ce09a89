# Keeps memory in pipes, where nobody counts it.
# expect: bounded
import fcntl
import os

total = 0
try:
    for _ in range(500):
        _, end = os.pipe()
        os.set_blocking(end, False)
        try:
            fcntl.fcntl(end, 1031, 1 << 20)
        except OSError:
            pass
        while True:
            try:
                total += os.write(end, b"x" * 65536)
            except BlockingIOError:
                break
except OSError:
    pass
print("bounded" if total < 200_000_000 else total)
