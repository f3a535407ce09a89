# Looks for the server's secrets in the environments of all processes.
# expect: nothing
import os

found = [repr(dict(os.environ))]
server = int(os.environ["T_PID"])
for pid in {*range(1, 3000), *range(server - 500, server + 500)}:
    for name in ("environ", "cmdline"):
        try:
            with open(f"/proc/{pid}/{name}", errors="replace") as file:
                found.append(file.read())
        except OSError:
            continue
print("found" if "hunter2" in "".join(found) else "nothing")
