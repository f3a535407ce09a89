# Takes a little memory in each of many processes.
# expect: killed "used more than 300 MB"
import os
import time

for _ in range(8):
    if os.fork() == 0:
        block = b"x" * 60_000_000
        time.sleep(60)
        os._exit(0)
time.sleep(60)
