# Lets the next program load something of its own.
# expect: over
echo 'void x(void) {}' >x.c && gcc -shared -fPIC -o x.so x.c 2>/dev/null
LD_PRELOAD=$PWD/x.so su -c id </dev/null 2>/dev/null | grep uid=0 && echo succeeded
echo over
