"""The socket at which a server listens, and accepting: on and on, until that socket itself is broken."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError

_BACKLOG: Final = 512
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the flag says by default
"""Each means every address of both families, as in every program of Go: an IPv6-only pod is probed at its own."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL})
_PAUSE: Final = 1.0
"""Seconds, as asyncio pauses. What fails for so long is told."""
_BREATH: Final = 0.02
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC}
)
"""ENOSPC: the user watches as many files as fs.epoll.max_user_watches allows."""
_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
"""It was closed or shut down (as by `ss -K`), or its number is another file's by now: no later try succeeds."""


class AcceptError(KubevouchError):
    """No connection can be accepted at this address any more: the process has to be started again."""


def listening_socket(host: str, port: int) -> socket.socket:
    """At this address, not blocking. Raises OSError.

    At a wildcard address one of both families, as by Go's net.Listen (favoriteAddrFamily in ipsock_posix.go); where the
    machine has no IPv6, one of IPv4.
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
        # ValueError: Python was told at its compilation, or by the system, that there are no such sockets.
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

    begin: takes a connection and its peer's host; it may raise OSError where the event loop cannot watch it. report: called with
    why nobody is accepted, once while that lasts.

    Raises:
        AcceptError: the listening socket is broken. Go's servers end then, too: net/http goes on after temporary errors
            only, and apiserver panics (pkg/server/secure_serving.go, RunServer).
    """
    failing_since: float | None = None
    told = False
    while True:
        failure = await _accepted(listening, begin, where)
        if failure is None:
            failing_since, told = None, False
            await clock.sleep(0)
            continue
        # Any other error than of resources: mostly the client is gone already.
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
    """Accepts one connection and begins it. Returns the error if that failed and may be tried again. Raises AcceptError."""
    try:
        connection, address = await asyncio.get_running_loop().sock_accept(listening)
    except OSError as error:
        if error.errno not in _BROKEN:
            return error
        seen = f"accepts no connections any more: {error.strerror}"
        raise AcceptError(where, seen, "the process has to be started again") from None
    try:
        begin(connection, address[0])
    except OSError as error:
        return error
    return None
