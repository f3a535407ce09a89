// Takes over the server with a debugger's means.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/ptrace.h>
int main(void) {
    errno = 0;
    long result = ptrace(PTRACE_ATTACH, atoi(getenv("T_PID")), 0, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
