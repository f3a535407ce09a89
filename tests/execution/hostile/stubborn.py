# Does not listen when it is asked to end.
# expect: started
# leaves: sleep 98764
import os
import signal
import time

if os.fork() == 0:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.execvp("sleep", ["sleep", "98764"])
time.sleep(0.1)
print("started")
