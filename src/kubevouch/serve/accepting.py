"""A server's listening socket, and accepting until that socket itself is broken."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError

_BACKLOG: Final = 512
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the flag says by default
"""Each means every address of both families, as in every Go program: probes reach an IPv6-only
pod at its own address."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL})
_PAUSE: Final = 1.0
"""Seconds, like asyncio's pause. A failure that lasts this long is reported."""
_BREATH: Final = 0.02
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC}
)
"""ENOSPC: the user watches as many files as fs.epoll.max_user_watches allows."""
_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
"""It was closed or shut down (as by `ss -K`), or another file has its number now: no retry can
succeed."""


class AcceptError(KubevouchError):
    """This address can accept no connections until the process restarts."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A non-blocking socket at this address. Raises OSError.

    A wildcard address gives one for both families, as in Go's net.Listen (favoriteAddrFamily in
    ipsock_posix.go), or one for IPv4 on a machine without IPv6.
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
    """Accepts connections until cancelled. where: the address, for an error.

    begin: takes a connection and its peer's host; it may raise OSError if the event loop cannot
    watch it. report: called with the reason while accepting fails, once while that lasts.

    Raises:
        AcceptError: the listening socket is broken. Go's servers end then, too: net/http continues
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
    """Accepts one connection and starts it. Returns an error that may be retried.

    Raises AcceptError.
    """
    try:
        connection, address = await asyncio.get_running_loop().sock_accept(listening)
    except OSError as error:
        if error.errno not in _BROKEN:
            return error
        seen = f"accepts no more connections: {error.strerror}"
        raise AcceptError(where, seen, "restart the process") from None
    try:
        begin(connection, address[0])
    except OSError as error:
        return error
    return None
