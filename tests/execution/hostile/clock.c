// Changes the time.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/time.h>
int main(void) {
    errno = 0;
    long result = settimeofday(&(struct timeval){0, 0}, 0);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
