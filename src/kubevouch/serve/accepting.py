"""Opens a server's listening socket, and accepts connections until the socket breaks."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError

_BACKLOG: Final = 512
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - the flag's default
"""Hosts that mean all IPv4 and IPv6 addresses, as in Go. So a kubelet's probes reach an IPv6-only
pod even if the host is 0.0.0.0."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL})
_PAUSE: Final = 1.0
"""Seconds to wait before a retry after resources ran out, as in asyncio. A failure that lasts longer
than this is reported."""
_BREATH: Final = 0.02
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC}
)
"""Errors when resources run out. ENOSPC means that the user has reached fs.epoll.max_user_watches."""
_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
"""Errors that a retry cannot fix. The socket was closed or shut down (as by `ss -K`), or its file descriptor was reused."""


class AcceptError(KubevouchError):
    """The listening socket is broken; only a restart of the process helps."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A non-blocking listening socket at this address. Raises OSError.

    For a wildcard address the socket accepts both IP families, as in Go's net.Listen
    (favoriteAddrFamily in ipsock_posix.go), or only IPv4 on a machine without IPv6.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host in _EVERY_ADDRESS:
        host, family = "::", socket.AF_INET6
    both = host == "::"
    try:
        made = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except (OSError, ValueError) as error:
        # ValueError: Python's build or the system has no such sockets.
        if not both or (isinstance(error, OSError) and error.errno not in _NO_IPV6):
            raise
        made = socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104
    made.setblocking(False)  # noqa: FBT003 - its only argument
    return made


async def accept_connections(
    listening: socket.socket,
    begin: Callable[[socket.socket, str], None],
    clock: Clock,
    *,
    where: str,
    report: Callable[[OSError], None],
) -> None:
    """Accepts connections until cancelled. where: the listening address, for error messages.

    begin: called with each connection and its peer's host; may raise OSError if the event loop
    cannot watch the connection. report: called with the error once per outage.

    Raises:
        AcceptError: the listening socket is broken. Go's servers also stop: net/http continues
            only after temporary errors, and apiserver panics (pkg/server/secure_serving.go, RunServer).
    """
    failing_since: float | None = None
    told = False
    while True:
        failure = await _accepted(listening, begin, where)
        if failure is None:
            failing_since, told = None, False
            await clock.sleep(0)
            continue
        # Usually any other error means that the client has already left.
        pause = _PAUSE if failure.errno in _OUT_OF_RESOURCES else _BREATH
        now = clock.monotonic()
        if failing_since is None:
            failing_since = now
        if not told and now + pause - failing_since >= _PAUSE:
            told = True
            report(failure)
        await clock.sleep(pause)


async def _accepted(
    listening: socket.socket, begin: Callable[[socket.socket, str], None], where: str
) -> OSError | None:
    """Accepts one connection and starts to serve it. Returns an error after which to try again.

    Raises AcceptError.
    """
    try:
        connection, address = await asyncio.get_running_loop().sock_accept(listening)
    except OSError as error:
        if error.errno not in _BROKEN:
            return error
        seen = f"cannot accept connections: {error.strerror}"
        raise AcceptError(where, seen, "restart the process") from None
    try:
        begin(connection, address[0])
    except OSError as error:
        return error
    return None
