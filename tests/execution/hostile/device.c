// Makes a device node to read the disk.
// expect: (Operation not permitted|Permission denied)
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
int main(void) {
    errno = 0;
    long result = mknod("disk", S_IFBLK | 0600, makedev(8, 0));
    puts(result == -1 ? strerror(errno) : "succeeded");
}
