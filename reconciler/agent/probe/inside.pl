# Connects inside the network namespaces of other processes: one small process for all probes of a host, since a program per
# probe costs a hundred times as much. Perl, because every Debian has it and because it can call setns.
#
# Argument: the number of the system call setns. Standard input, one line each, fields divided by blanks:
#   ID PID ADDRESS PORT HEX   connects to ADDRESS:PORT as PID sees it and sends these bytes, if any ("-": none)
#   ID                        forgets the request
# Standard output, one line for each request that was not forgotten:
#   ID connected              nothing was to be sent
#   ID line TEXT              first line of the answer
#   ID closed                 no whole line came
#   ID error NUMBER           errno of connect or of the answer
#   ID namespace NUMBER       errno of entering the namespace
use strict;
use warnings;
use Errno qw(EINPROGRESS EINTR EAGAIN);
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_ERROR inet_aton pack_sockaddr_in);

use constant { CLONE_NEWNET => 0x40000000, SOCK_NONBLOCK => 04000, MOST_BYTES => 16384 };

my $setns = shift;
open(my $home, '<', '/proc/self/ns/net') or exit 1;
my (%open, $input);    # by ID: socket, bytes to send, answer so far, whether it is connected
$input = '';

while (1) {
    my ($readable, $writable) = ('', '');
    vec($readable, 0, 1) = 1;
    vec($_->{connected} ? $readable : $writable, fileno($_->{socket}), 1) = 1 for values %open;
    next if select($readable, $writable, undef, undef) < 0;
    for my $id (keys %open) {
        my $at = fileno($open{$id}{socket});
        if (vec($writable, $at, 1)) { connected($id) }
        elsif (vec($readable, $at, 1)) { receive($id) }
    }
    next unless vec($readable, 0, 1);
    my $count = sysread(STDIN, $input, 65536, length $input);
    next if !defined $count && $!{EINTR};
    exit 0 unless $count;
    request(split / /, $1) while $input =~ s/^([^\n]*)\n//;
}

sub request {
    my ($id, $pid, $address, $port, $hex) = @_;
    return delete $open{$id} unless defined $hex;
    my $socket = enter($id, $pid) or return;
    my $started = connect($socket, pack_sockaddr_in($port, inet_aton($address)));
    return answer($id, 'error ' . ($! + 0)) unless $started || $!{EINPROGRESS};
    $open{$id} = { socket => $socket, send => $hex eq '-' ? '' : pack('H*', $hex), answer => '' };
}

# A socket stays in the namespace in which it was made.
sub enter {
    my ($id, $pid) = @_;
    my ($socket, $namespace);
    my $inside = open($namespace, '<', "/proc/$pid/ns/net") && syscall($setns, fileno($namespace), CLONE_NEWNET) == 0;
    my $made = $inside && socket($socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    my $error = $! + 0;
    syscall($setns, fileno($home), CLONE_NEWNET) == 0 or exit 1 if $inside;
    return $socket if $made;
    answer($id, "namespace $error");
    return;
}

sub connected {
    my ($id) = @_;
    my $entry = $open{$id};
    my $error = unpack('i', getsockopt($entry->{socket}, SOL_SOCKET, SO_ERROR));
    return answer($id, "error $error") if $error;
    return answer($id, 'connected') if $entry->{send} eq '';
    $entry->{connected} = 1;
    my $sent = syswrite($entry->{socket}, $entry->{send});
    answer($id, 'closed') unless defined $sent && $sent == length $entry->{send};
}

sub receive {
    my ($id) = @_;
    my $entry = $open{$id};
    my $count = sysread($entry->{socket}, $entry->{answer}, MOST_BYTES, length $entry->{answer});
    return if !defined $count && ($!{EAGAIN} || $!{EINTR});
    return answer($id, 'error ' . ($! + 0)) unless defined $count;
    return answer($id, "line $1") if $entry->{answer} =~ /^([^\r\n]*)\r?\n/;
    answer($id, 'closed') if $count == 0 || length $entry->{answer} >= MOST_BYTES;
}

sub answer {
    my ($id, $text) = @_;
    delete $open{$id};
    syswrite(STDOUT, "$id $text\n");
}
