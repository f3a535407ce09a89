# Starts processes that start processes.
# expect: refused
my $end = time() + 5;
while (time() < $end) {
    my $pid = fork();
    if (!defined $pid) { print "refused\n"; exit 0; }
}
