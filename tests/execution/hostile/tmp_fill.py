# Fills the disk for temporary files with many files.
# expect: OSError 28
# expect landlock: killed "wrote more than"
import os
import time

size = 0
try:
    for number in range(400):
        with open(f"{os.environ['TMPDIR']}/fill{number}", "wb") as file:
            size += file.write(b"x" * 1_000_000)
    time.sleep(3)
    print("succeeded")
except OSError as error:
    print(type(error).__name__, error.errno)
