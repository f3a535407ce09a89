// Gets around filters of system calls.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    errno = 0;
    long result = syscall(SYS_io_uring_setup, 1, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
