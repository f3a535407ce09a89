// Starts a process that is root of a namespace of its own.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sched.h>
#include <signal.h>
int main(void) {
    errno = 0;
    long result = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
