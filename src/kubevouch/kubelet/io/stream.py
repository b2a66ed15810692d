"""A TLS connection on a socket and two memory BIOs, after its handshake: bytes out, bytes in.

Not asyncio's own, whose buffers cost 256 KiB a connection: a metrics server keeps one to each node.
Numbers: docs/decisions/0004-bare-handshakes-on-memory-bios.md.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

# A whole TLS record. The memory BIO of a connection stays as large as what is written into it at once.
_CHUNK: Final = 18 * 1024


class TlsStream:
    """Close it. Whoever uses it keeps time."""

    def __init__(
        self,
        connection: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self._connection = connection
        self._tls = tls
        self._in = incoming
        self._out = outgoing

    async def send(self, data: bytes) -> None:
        """All of it. Raises OSError, also ssl.SSLError."""
        self._tls.write(data)
        await send_all(self._connection, self._out)

    async def receive(self) -> bytes:
        """What has come, at least one byte; nothing at the end, polite or not. Raises OSError, also ssl.SSLError."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return self._tls.read(_CHUNK)
            # An answer to what the peer asked within TLS (a new key).
            await send_all(self._connection, self._out)
            data = await loop.sock_recv(self._connection, _CHUNK)
            if not data:
                return b""
            self._in.write(data)

    async def end(self) -> None:
        """Ends TLS as one should. What the peer makes of it does not matter any more."""
        with contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            await send_all(self._connection, self._out)

    def close(self) -> None:
        """At once."""
        self._connection.close()


async def send_all(connection: socket.socket, outgoing: ssl.MemoryBIO) -> None:
    """What TLS has to say."""
    if outgoing.pending:
        await asyncio.get_running_loop().sock_sendall(connection, outgoing.read())
