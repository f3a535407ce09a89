# Reads what is typed into the terminals of others.
# expect: nothing
import glob
import os

for place in [
    *glob.glob("/dev/pts/[0-9]*"),
    "/dev/tty",
    "/dev/console",
    "/dev/tty1",
    "/dev/input/event0",
]:
    try:
        os.open(place, os.O_RDONLY | os.O_NONBLOCK)
        print("opened", place)
    except OSError:
        pass
print("nothing")
