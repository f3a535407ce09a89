# Ends whatever has started it, and what has started that.
# expect: over
for my $pid (1, getppid()) { kill 'HUP', $pid if $pid == 1; }
print "over\n";
