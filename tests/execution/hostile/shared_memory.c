// Keeps memory in a segment that nobody counts.
// expect: refused
#include <stdio.h>
#include <sys/shm.h>
int main(void) {
    puts(shmget(IPC_PRIVATE, 1 << 28, IPC_CREAT | 0600) < 0 ? "refused" : "succeeded");
}
