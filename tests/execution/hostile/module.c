// Loads a module into the kernel.
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
    long result = syscall(SYS_init_module, 0, 0, "");
    puts(result == -1 ? strerror(errno) : "succeeded");
}
