# Fills the memory behind /dev/shm.
# expect: OSError 28
# expect landlock: PermissionError 13

size = 0
try:
    for number in range(400):
        with open(f"/dev/shm/fill{number}", "wb") as file:
            size += file.write(b"x" * 1_000_000)
    print("succeeded")
except OSError as error:
    print(type(error).__name__, error.errno)
