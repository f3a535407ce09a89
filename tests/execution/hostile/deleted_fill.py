# Fills the disk with files that have no name any more.
# expect: OSError 28
# expect landlock: killed "wrote more than"
import time

kept = []
try:
    for _ in range(20):
        file = open("gone", "wb")
        __import__("os").unlink("gone")
        kept.append(file)
        for _ in range(10):
            file.write(b"x" * 1_000_000)
            file.flush()
    time.sleep(3)
    print("succeeded")
except OSError as error:
    print(type(error).__name__, error.errno)
