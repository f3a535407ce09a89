// Takes memory and writes to it, page after page.
// expect: refused or killed "used more than"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    for (int i = 0; i < 8192; i++) {
        char *block = malloc(1 << 20);
        if (!block) { puts("refused"); return 0; }
        memset(block, 1, 1 << 20);
    }
    puts("succeeded");
}
