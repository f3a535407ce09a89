# Writes what a terminal would obey: it is text for a page, and stays that.
# expect: over
printf '\033]0;owned\007\033[2J\033[6n\033]52;c;aGk=\007\n'
echo over
