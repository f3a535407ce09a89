// Reads the server's memory.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/uio.h>
int main(void) {
    errno = 0;
    long result = syscall(SYS_process_vm_readv, atoi(getenv("T_PID")), 0, 0, 0, 0, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
