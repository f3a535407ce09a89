// Takes the server's turn at the disk.
// expect: (No such process|Operation not permitted)
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    errno = 0;
    long result = syscall(SYS_ioprio_set, 1, atoi(getenv("T_PID")), (3 << 13) | 7);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
