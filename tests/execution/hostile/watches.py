# Uses up the watches on files that the machine has.
# expect: (PermissionError|OSError|bounded)
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
count = 0
while count < 2000:
    descriptor = libc.inotify_init1(0)
    if descriptor < 0:
        break
    if libc.inotify_add_watch(descriptor, b"/usr", 2) < 0:
        print("PermissionError" if ctypes.get_errno() == 1 else "OSError", flush=True)
        os._exit(0)
    count += 1
print("bounded" if count < 1100 else count)
