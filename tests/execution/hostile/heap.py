# Asks for eight gigabytes at once.
# expect: MemoryError
import sys  # noqa: F401 - a program like any other

try:
    len(bytearray(8 * 1024**3))
    print("succeeded")
except Exception as error:
    print(type(error).__name__)
