# Ends everything that it can reach: its own kernel too, and nothing else.
# expect: killed "has ended"
import os
import time

os.kill(-1, 9)
time.sleep(5)
