# Removes what it can, from the root on.
# expect: refused
rm -rf --no-preserve-root "$(dirname "$T_SECRET")" /usr/bin/env 2>/dev/null
[ -x /usr/bin/env ] && echo refused || echo succeeded
