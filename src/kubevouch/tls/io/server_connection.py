"""One connection of a TLS server, in little memory, which is known before its handshake is done.

asyncio's TLS holds a buffer of 256 KiB a connection (docs/decisions/0004), and `create_server` reports a connection
only after its handshake. So a stranger, who needs nothing but a socket, could have as many of them as it likes.
"""

import asyncio
import asyncio.sslproto
import socket
import ssl
from collections.abc import Callable
from typing import Final

from kubevouch.tls.io.server import client_chain

_RECORD: Final = 16 * 1024
"""Bytes: the most that a record of TLS holds, and as much as is read at a time."""
_SHUTDOWN: Final = 1.0


class ServerConnection:
    """A connection that a server has accepted. protocol: gets what is decrypted, once the handshake is done.

    shaken: called after the handshake. closed: called once, when the connection is closed, by whomever.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        handshake_timeout: int,
        *,
        shaken: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        waiter.add_done_callback(self._waited)
        self._shaken = shaken
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._tls = _Tls(
            loop,
            protocol,
            context,
            waiter,
            server_side=True,
            ssl_handshake_timeout=handshake_timeout,
            ssl_shutdown_timeout=_SHUTDOWN,
        )
        self._tls.lost = self._lost

    async def begin(self, accepted: socket.socket) -> None:
        """Begins the handshake on a socket, which belongs to this connection from now on. Raises OSError."""
        try:
            self._transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._tls, accepted
            )
        except OSError:
            accepted.close()
            self._lost()
            raise

    def client_chain(self) -> tuple[bytes, ...]:
        """The certificates that the client has presented, in DER, verified by the context; empty if it has none."""
        shaken = self._tls.get_extra_info("ssl_object")
        return client_chain(shaken) if shaken is not None else ()

    def abort(self) -> None:
        """Closes the connection at once, without waiting for the peer."""
        if self._transport is not None:
            self._transport.abort()

    def _waited(self, waiter: "asyncio.Future[None]") -> None:
        # An error is retrieved, so that the event loop does not log that nobody did.
        if not waiter.cancelled() and waiter.exception() is None:
            self._shaken()

    def _lost(self) -> None:
        closed, self._closed = self._closed, _nothing
        closed()


class _Tls(asyncio.sslproto.SSLProtocol):
    """asyncio's TLS with a buffer of one record."""

    max_size = _RECORD
    lost: Callable[[], None]

    def get_extra_info(self, name: str) -> ssl.SSLObject | None:
        return self._extra.get(name)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()


def _nothing() -> None:
    """Called where `closed` was called already."""
