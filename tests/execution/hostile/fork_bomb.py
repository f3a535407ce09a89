# Starts processes without end.
# expect: refused after [0-9]{1,2}$
import os
import time

count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        count += 1
except BlockingIOError:
    print("refused after", count)
