# Connects to a socket of another program.
# expect: refused
use Socket;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
print connect($s, pack_sockaddr_un($ENV{T_SOCKET})) ? "succeeded\n" : "refused\n";
