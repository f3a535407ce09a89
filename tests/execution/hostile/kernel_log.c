// Reads the kernel's messages, with addresses in them.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/klog.h>
int main(void) {
    errno = 0;
    long result = klogctl(3, (char[64]){0}, 64);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
