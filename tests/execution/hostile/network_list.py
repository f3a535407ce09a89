# Reads which ports and sockets this machine has.
# expect: nothing
import os

seen = ""
for name in ("tcp", "unix"):
    for place in (f"/proc/net/{name}", f"/proc/self/net/{name}", f"/proc/1/net/{name}"):
        try:
            with open(place) as file:
                seen += file.read()
        except OSError:
            continue
port = f":{int(os.environ['T_PORT']):04X}"
print("seen" if port in seen or os.environ["T_ABSTRACT"] in seen else "nothing")
