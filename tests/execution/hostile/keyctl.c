// Reads keys that the kernel keeps.
// expect: Operation not permitted
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/keyctl.h>
int main(void) {
    errno = 0;
    long result = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1);
    puts(result == -1 ? strerror(errno) : "succeeded");
}
