# Lets the server talk to somebody else by changing the connection file.
# expect: over
import os

path = os.path.join(os.environ["CODEPAD_RUN"], "connection.json")
try:
    os.remove(path)
    with open(path, "w") as file:
        file.write("{}")
except OSError:
    pass
print("over")
