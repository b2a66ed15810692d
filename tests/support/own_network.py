"""A network of its own, in which the addresses of labs with IPv6 are this machine's. No root is needed for it."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

from kubevouch_lab.cluster.site import IPV6_NETWORK

_SCRIPT = """\
ip link set lo up
[ "$1" = with-ipv4 ] || ip address delete 127.0.0.1/8 dev lo
ip -6 route add local "$2" dev lo
echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
echo ready
read -r _ || true
"""


@contextlib.contextmanager
def own_network(*, ipv4: bool) -> Iterator[Sequence[str]]:
    """The words under which a program runs in it, until the block ends. ipv4: whether 127.0.0.0/8 is there, too.

    Raises OSError where it cannot be made on this machine.
    """
    made = ("unshare", "--map-root-user", "--net", "sh", "-euc", _SCRIPT, "sh")
    words = (*made, "with-ipv4" if ipv4 else "ipv6-only", IPV6_NETWORK)
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holding:
        assert holding.stdin
        assert holding.stdout
        assert holding.stderr
        if holding.stdout.readline() != "ready\n":
            raise OSError(holding.stderr.read())
        try:
            within = ("nsenter", f"--target={holding.pid}", "--user", "--net")
            yield (*within, "--preserve-credentials", "--")
        finally:
            holding.stdin.close()
