# Asks the kernel to restart the machine.
# expect: refused
(echo b >/proc/sysrq-trigger) 2>/dev/null && echo succeeded || echo refused
