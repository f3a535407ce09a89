# Lets the kernel start a program as root when a group is empty.
# expect: refused
(mkdir /sys/fs/cgroup/evil && echo 1 >/sys/fs/cgroup/notify_on_release) 2>/dev/null \
  && echo succeeded || echo refused
