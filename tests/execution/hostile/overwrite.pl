# Overwrites a file of the server.
# expect: refused
open(my $file, '>', $ENV{T_SECRET}) ? print "succeeded\n" : print "refused\n";
