# Uses up memory of the kernel with empty files.
# expect: killed "made more than"
# expect landlock: killed "wrote more than"
import os
import time

os.mkdir("many")
for number in range(8_000):
    os.close(os.open(f"many/{number}", os.O_CREAT))
time.sleep(3)
print("succeeded")
