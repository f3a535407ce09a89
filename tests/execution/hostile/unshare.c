// Becomes root of a namespace of its own.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sched.h>
int main(void) {
    errno = 0;
    long result = unshare(CLONE_NEWUSER);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
