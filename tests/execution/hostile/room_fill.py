# Fills the room's disk with one file.
# expect: OSError 2[78]
try:
    with open("fill", "wb") as file:
        for _ in range(400):
            file.write(b"x" * 1_000_000)
            file.flush()
    print("succeeded")
except OSError as error:
    print(type(error).__name__, error.errno)
