"""The sockets at which a server listens."""

import asyncio
import errno
import socket
from typing import Final

_BACKLOG: Final = 512
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the flag says by default
"""Each means every address of both families, as in every program of Go: an IPv6-only pod is probed at its own."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL})


async def listening_sockets(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    """One for each address of the host, not blocking. shared: other processes may listen there, too. Raises OSError."""
    if host in _EVERY_ADDRESS:
        return [_at_every_address(port, shared=shared)]
    # asyncio resolves and binds, but would not bound the handshakes.
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol,
        host,
        port,
        reuse_address=True,
        reuse_port=shared,
        start_serving=False,
    )
    sockets = [each.dup() for each in server.sockets]
    server.close()
    for each in sockets:
        each.setblocking(False)  # noqa: FBT003 - its only argument
        each.listen(_BACKLOG)
    return sockets


def _at_every_address(port: int, *, shared: bool) -> socket.socket:
    """Go's net.Listen at a wildcard address: one socket of both families (favoriteAddrFamily in ipsock_posix.go).

    Where the machine has no IPv6, one of IPv4.
    """
    try:
        listening = socket.create_server(
            ("::", port),
            family=socket.AF_INET6,
            backlog=_BACKLOG,
            reuse_port=shared,
            dualstack_ipv6=True,
        )
    except (OSError, ValueError) as error:
        # ValueError: Python was told at its compilation, or by the system, that there are no such sockets.
        if isinstance(error, OSError) and error.errno not in _NO_IPV6:
            raise
        listening = socket.create_server(
            ("0.0.0.0", port),  # noqa: S104
            backlog=_BACKLOG,
            reuse_port=shared,
        )
    listening.setblocking(False)  # noqa: FBT003 - its only argument
    return listening
