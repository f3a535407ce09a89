// Keeps memory in message queues.
// expect: refused
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
int main(void) {
    mqd_t q = mq_open("/evil", O_CREAT | O_RDWR, 0600, NULL);
    puts(q == (mqd_t)-1 ? "refused" : "succeeded");
}
