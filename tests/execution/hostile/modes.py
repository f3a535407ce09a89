# Changes the mode and the times of a file of the server, by every way there is to it.
# expect: refused
import os

secret = os.environ["T_SECRET"]
folder, name = os.path.split(secret)
up = "../" * 12 + secret.lstrip("/")
os.symlink(secret, "out")
os.symlink(folder, "beside")


def tried(what, *arguments, **options):
    try:
        what(*arguments, **options)
        print("succeeded", what.__name__, arguments)
    except OSError:
        pass


def opened(path):
    try:
        return os.open(path, os.O_PATH)
    except OSError:
        return -1


for what, wish in ((os.chmod, 0o777), (os.utime, (1, 1))):
    for path in (secret, up, f"{os.getcwd()}/{up}", "out", f"beside/{name}", f"//{secret}"):
        tried(what, path, wish)
    tried(what, name, wish, dir_fd=opened(folder))
    tried(what, opened(secret), wish)
try:
    os.chdir(folder)
    tried(os.chmod, name, 0o777)
    tried(os.chmod, ".", 0o777)
except OSError:
    pass
print("refused")
