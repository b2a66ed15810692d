"""A TLS connection on a socket and two memory BIOs, after its handshake.

asyncio's own buffers need 256 KiB for each connection, and a metrics server keeps a connection to
each node. See docs/internals/decisions/0004-bare-handshakes-on-memory-bios.md.

The event loop watches the socket from the first read until the connection closes, or until data
arrives while no read is pending. `sock_recv` would start and stop watching for each read
(docs/internals/decisions/0013-what-a-node-scrape-costs.md).
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

# A whole TLS record. A memory BIO never shrinks below the largest amount written to it at once.
_CHUNK: Final = 18 * 1024
_MOST_EXCESS: Final = 128 * 1024
"""The limit of received bytes since the last send, not counting application data. Go's server stays
below this limit, even for a page of 8 MiB.

A peer could send session tickets and key updates endlessly, and each costs time. Go's client counts
such records (crypto/tls/conn.go, maxUselessRecords), but OpenSSL does not show them.
"""


class TooMuchIgnored(OSError):
    """The peer sends too much that is not application data. Go's client has the same error text."""


class TlsStream:
    """An open TLS connection. The caller must close it, and must limit the time of each call."""

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
        self._excess = 0
        self._ended = False
        self._failed: ssl.SSLError | None = None
        self._watching: asyncio.AbstractEventLoop | None = None
        """The event loop that watches the socket; None if the socket is not watched."""
        self._arrival: asyncio.Future[bytes] | None = None
        """The pending read, or None."""

    async def send(self, data: bytes) -> None:
        """Sends all of the data. Raises OSError, including ssl.SSLError."""
        self._excess = 0
        self._tls.write(data)
        await send_all(self._connection, self._out)

    async def receive(self) -> bytes:
        """Waits for data and returns all that has arrived; empty at the end of the connection.

        Raises OSError, including ssl.SSLError.
        """
        while True:
            data = self._decrypted()
            self._excess -= len(data)
            if data or self._ended:
                return data
            if self._excess > _MOST_EXCESS:
                raise TooMuchIgnored("tls: too many ignored records")
            # TLS may have to answer the peer, for example to a key update.
            await send_all(self._connection, self._out)
            received = await self._received()
            if not received:
                return b""
            self._excess += len(received)
            self._in.write(received)

    async def _received(self) -> bytes:
        """Returns the socket's next data, after all other tasks have had a turn. Raises OSError.

        If the other tasks had no turn, a peer that never stops sending would block the process.
        """
        loop = asyncio.get_running_loop()
        if self._watching is None:
            loop.add_reader(self._connection, self._arrived)
            self._watching = loop
        self._arrival = loop.create_future()
        try:
            return await self._arrival
        finally:
            self._arrival = None

    def _arrived(self) -> None:
        """The event loop's callback: reads data if a read is pending, else stops watching."""
        arrival = self._arrival
        if arrival is None or arrival.done():
            # The data stays in the socket, so that unsolicited data costs neither memory nor calls.
            self._stop_watching()
            return
        try:
            arrival.set_result(self._connection.recv(_CHUNK))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            arrival.set_exception(error)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.remove_reader(self._connection)
            self._watching = None

    def _decrypted(self) -> bytes:
        """Decrypts all complete records. Returns b"" if no record is complete."""
        if self._failed is not None:
            raise self._failed
        parts: list[bytes] = []
        try:
            # A record is read as a whole, so all decryptable data is still in there.
            while self._in.pending:
                part = self._tls.read(_CHUNK)
                if not part:
                    self._ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if not parts:
                raise
            # Earlier data counts, and is returned first.
            self._failed = error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def end(self) -> None:
        """Sends close_notify, without waiting for the peer."""
        with contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            await send_all(self._connection, self._out)

    def close(self) -> None:
        """Closes the socket at once."""
        self._stop_watching()
        self._connection.close()


async def send_all(connection: socket.socket, outgoing: ssl.MemoryBIO) -> None:
    """Sends all pending TLS output over the socket."""
    if not outgoing.pending:
        return
    data, sent = outgoing.read(), 0
    # Nearly always there is room for all of it.
    with contextlib.suppress(BlockingIOError, InterruptedError):
        sent = connection.send(data)
    if sent < len(data):
        await asyncio.get_running_loop().sock_sendall(connection, data[sent:])
