# Closes everything that its kernel has open.
# expect: killed "has ended"
# where: kernel
import os

os.closerange(3, 1024)
