# Starts something that nobody waits for and that outlives it: it ends with the kernel.
# expect: started
# leaves: sleep 98765
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.execvp("sleep", ["sleep", "98765"])
    os._exit(0)
time.sleep(0.1)
print("started")
