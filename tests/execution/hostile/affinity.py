# Ties the server to one processor.
# expect: (ProcessLookupError|ignored)
import os

server = int(os.environ["T_PID"])
try:
    before = os.sched_getaffinity(server)
    os.sched_setaffinity(server, {0})
    print("ignored" if os.sched_getaffinity(server) == before else "succeeded")
except OSError as error:
    print(type(error).__name__)
