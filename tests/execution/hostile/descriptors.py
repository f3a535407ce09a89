# Opens files without end.
# expect: OSError 24 after ([1-9][0-9]{0,2}|10[0-2][0-9])$
import os

count = 0
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError as error:
    print(type(error).__name__, error.errno, "after", count)
