# The famous one, in Bash; it ends when nothing more can be started.
# expect: over
bomb() { bomb 2>/dev/null | bomb 2>/dev/null & }
( bomb ) 2>/dev/null
sleep 0.3
echo over
