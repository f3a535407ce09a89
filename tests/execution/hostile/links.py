# Plants links in the room that lead out of it.
# expect: refused
import os

os.symlink("/etc/shadow", "shadow")
os.symlink(os.environ["T_SECRET"], "secret")
try:
    os.link(os.environ["T_SECRET"], "hard")
    print("linked")
except OSError:
    pass
for name in ("shadow", "secret"):
    try:
        open(name).read()
        print("read", name)
    except OSError:
        pass
print("refused")
