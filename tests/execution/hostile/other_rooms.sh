# Looks for the temporary files of others.
# expect: nothing
found=$(ls -d "$(dirname "$T_SECRET")"/* /tmp/codepad-probe-*/* 2>/dev/null)
[ -z "$found" ] && echo nothing || echo "found $found"
