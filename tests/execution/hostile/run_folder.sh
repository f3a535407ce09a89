# Fills the folder with the kernel's sockets.
# expect: over
head -c 50000000 /dev/zero 2>/dev/null >"$CODEPAD_RUN/fill"
rm -f "$CODEPAD_RUN/fill"
echo over
