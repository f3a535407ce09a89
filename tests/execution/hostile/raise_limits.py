# Gives itself more processes and memory.
# expect: refused
import resource

for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE):
    try:
        resource.setrlimit(limit, (1 << 30, 1 << 30))
        print("succeeded")
    except (OSError, ValueError):
        pass
print("refused")
