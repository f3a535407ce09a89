# Starts threads without end.
# expect: RuntimeError after [0-9]{1,2}$
import _thread
import os
import time

count = 0
try:
    while True:
        _thread.start_new_thread(time.sleep, (60,))
        count += 1
except RuntimeError:
    print("RuntimeError after", count, flush=True)
os._exit(0)
