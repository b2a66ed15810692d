"""One connection of a TLS server, in little memory, which is known from its beginning.

asyncio's TLS holds a buffer of 256 KiB a connection (docs/decisions/0004), and `create_server` reports a connection
only after its handshake. So a stranger, who needs nothing but a socket, could have as many of them as it likes. Here a
connection on which nothing was said holds nothing but its socket, and every other one a buffer of one record.
"""

import asyncio
import asyncio.sslproto
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from kubevouch.tls.io.server import client_chain

_RECORD: Final = 16 * 1024
"""Bytes: the most that a record of TLS holds, and as much as is read at a time."""
_SHUTDOWN: Final = 1.0
MOST_UNASKED: Final = 64 * 1024
"""Bytes, TLS and all, from one request to the next, or to the first. Somebody with 500 groups has half of it in headers."""


class ServerConnection:
    """A connection that a server has accepted; its socket belongs to it.

    protocol: makes what gets the decrypted bytes, once the client has begun to speak. context: returns that of the
    moment. shaken: called after the handshake. closed: called once, when the connection is closed, by whomever.
    """

    def __init__(
        self,
        accepted: socket.socket,
        *,
        protocol: Callable[[], asyncio.Protocol],
        context: Callable[[], ssl.SSLContext],
        handshake_timeout: int,
        shaken: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._accepted = accepted
        self._make_protocol = protocol
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._shaken = shaken
        self._closed = closed
        self._tls: _Tls | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        asyncio.get_running_loop().add_reader(accepted, self._readable)

    def client_chain(self) -> tuple[bytes, ...]:
        """The certificates that the client has presented, in DER, verified by the context; empty if it has none."""
        shaken = self._tls.ssl_object if self._tls else None
        return client_chain(shaken) if shaken is not None else ()

    def asked(self) -> None:
        """A request is complete: as much may be received again."""
        if self._tls is not None:
            self._tls.unasked = 0

    def abort(self) -> None:
        """Closes the connection at once, without waiting for the peer."""
        if self._transport is not None:
            self._transport.abort()
        elif self._beginning is not None:
            self._beginning.cancel()
        else:
            self._close_socket()

    def _readable(self) -> None:
        """The client has said something, or is gone."""
        try:
            gone = not self._accepted.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        if gone:
            self._close_socket()
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._accepted)
        self._beginning = loop.create_task(self._begin())
        self._beginning.add_done_callback(self._begun)

    async def _begin(self) -> None:
        """Begins the handshake."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        waiter.add_done_callback(self._waited)
        tls = self._tls = _Tls(
            loop,
            self._make_protocol(),
            self._context(),
            waiter,
            server_side=True,
            ssl_handshake_timeout=self._handshake_timeout,
            ssl_shutdown_timeout=_SHUTDOWN,
        )
        tls.lost = self._lost
        self._transport, _ = await loop.connect_accepted_socket(lambda: tls, self._accepted)

    def _begun(self, beginning: "asyncio.Task[None]") -> None:
        # It may have been cancelled before its first step. What goes wrong with a stranger is not worth a log line.
        if beginning.cancelled() or beginning.exception() is not None:
            self._accepted.close()
            self._lost()

    def _close_socket(self) -> None:
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self._accepted)
        self._accepted.close()
        self._lost()

    def _waited(self, waiter: "asyncio.Future[None]") -> None:
        # An error is retrieved, so that the event loop does not log that nobody did.
        if not waiter.cancelled() and waiter.exception() is None:
            self._shaken()

    def _lost(self) -> None:
        closed = self._closed
        # Nothing may refer to itself any more: under a crowd of strangers the garbage collector would come too late.
        self._closed = self._shaken = _nothing
        self._make_protocol = asyncio.Protocol
        if self._tls is not None:
            self._tls.lost = _nothing
        closed()


class _Tls(asyncio.sslproto.SSLProtocol):
    """asyncio's TLS with a buffer of one record."""

    max_size = _RECORD
    lost: Callable[[], None]
    unasked = 0
    """Bytes received since the last request."""

    def buffer_updated(self, nbytes: int) -> None:
        """What is received is kept until there is a request: whoever sends none must not fill the memory."""
        self.unasked += nbytes
        if self.unasked <= MOST_UNASKED:
            super().buffer_updated(nbytes)
        elif isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The connection of OpenSSL after the handshake."""
        return self._extra.get("ssl_object")

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()


def _nothing() -> None:
    """Called where there is nothing to do any more."""
