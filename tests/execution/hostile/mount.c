// Mounts a file system over another.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/mount.h>
int main(void) {
    errno = 0;
    long result = mount("none", "/tmp", "tmpfs", 0, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
