"""Connects to an address and does a TLS handshake, on a socket and two memory BIOs.

This code sees every received byte. So, like Go, it can distinguish a TLS alert from plain HTTP, and
detect a connection that ended within a TLS record.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from typing import Final

from kubevouch.kubelet.io.names import NameResolver, Place
from kubevouch.kubelet.io.stream import TlsStream, send_all
from kubevouch.tls import joined
from kubevouch.tls.io.accidents import Attempt
from kubevouch.tls.io.identity import Check, presented, vouched_by
from kubevouch.x509.gotext import parse_address

MOST_BYTES: Final = 256 * 1024
"""The maximum size of a handshake in bytes. OpenSSL limits a Certificate message to 100 KiB,
and Go limits it to 256 KiB."""

MOST_PIECES: Final = 1000
"""The maximum number of reads in a handshake, since each read costs time. Even in small packets,
MOST_BYTES take only 500 reads."""

_CHUNK: Final = 16 * 1024
_KEPT: Final = 64
_HEADER: Final = 5
_SHORTEST_SHARE: Final = 2.0
_LARGEST_PORT: Final = 65535


class TlsConnector:
    """A single attempt to connect to a host with TLS.

    Its attributes stay readable, even if `run` or `open` raised. names: resolves the host, unless
    it is an IP address.
    """

    def __init__(self, host: str, port: int, server_name: str, names: NameResolver) -> None:
        self._host = host
        self._port = port
        self._names = names
        # Like Go, Python sends no SNI for an address; but unlike Go it does for one with a zone
        # (fe80::1%eth0).
        self._server_name = server_name or ("" if ":" in host else host)
        self._connected = False
        self._local = ""
        self._records = _Records()
        self.remote = ""
        self.tls_version = ""
        self.cipher = ""
        self.presented: tuple[bytes, ...] = ()
        """The certificates that the peer presented, in DER."""

    @property
    def attempt(self) -> Attempt:
        """The state of the attempt, for `failure_of`."""
        return Attempt(
            address=self.remote or joined(self._host, self._port),
            connected=self._connected,
            local=self._local,
            received=bytes(self._records.first),
            mid_record=self._records.cut,
        )

    async def run(self, context: ssl.SSLContext, connect_timeout: float) -> None:
        """Connects, does the handshake and closes the connection.

        connect_timeout: seconds to connect, shared by the host's addresses. The caller limits the
        total time.

        Raises:
            OSError: the connection or the handshake failed (ssl.SSLError is a subclass).
            ValueError, OverflowError: the name or the port is invalid.
        """
        with contextlib.closing(await self.open(context, connect_timeout)) as stream:
            await stream.end()

    async def open(
        self, context: ssl.SSLContext, connect_timeout: float, check: Check | None = None
    ) -> TlsStream:
        """Connects, does the handshake and returns the open connection, which the caller must close.

        OpenSSL has verified the peer as `context` requires. Raises the same errors as `run`. check:
        our own check of the peer. It needs a `context` that `vouch_first` has prepared.
        """
        connection = await self._connect(connect_timeout)
        try:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname=self._server_name or None)
            if check is not None:
                vouched_by(tls, check)
            await self._handshake(connection, tls, incoming, outgoing)
        except BaseException:
            connection.close()
            raise
        self.tls_version = tls.version() or ""
        cipher = tls.cipher()
        self.cipher = cipher[0] if cipher else ""
        self.presented = presented(tls)
        return TlsStream(connection, tls, incoming, outgoing)

    async def _handshake(
        self,
        connection: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await send_all(connection, outgoing)
            except ssl.SSLError:
                # The alert that tells the peer why the handshake failed.
                with contextlib.suppress(OSError):
                    await send_all(connection, outgoing)
                raise
            else:
                return await send_all(connection, outgoing)
            data = await loop.sock_recv(connection, _CHUNK)
            self._records.take(data)
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()

    async def _connect(self, connect_timeout: float) -> socket.socket:
        """Connects to the first of the host's addresses that accepts the connection.

        Each address gets an equal share of the time left, but at least two seconds, as in Go
        (net/dial.go, partialDeadline).
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + connect_timeout
        places = await self._resolved()
        for left, (family, place) in zip(range(len(places), 0, -1), places, strict=True):
            self.remote = joined(place[0], place[1])
            share = max(_SHORTEST_SHARE, (until - loop.time()) / left)
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.setblocking(False)  # noqa: FBT003 - its only argument
                async with asyncio.timeout(share if left > 1 else None):
                    await loop.sock_connect(connection, place)
            except OSError:
                connection.close()
                if left == 1:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                self._connected = True
                self._local = joined(*connection.getsockname()[:2])
                return connection
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    async def _resolved(self) -> list[Place]:
        address = parse_address(self._host)
        if address is not None:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            return [(family, (self._host, self._port))]
        if not self._host:
            # Some systems cannot resolve a name of this machine.
            raise socket.gaierror(socket.EAI_NONAME, "no name")
        if not 0 <= self._port <= _LARGEST_PORT:
            raise OverflowError("port must be 0-65535.")
        return await self._names.places(self._host, self._port)


class _Records:
    """Tracks TLS records by their headers, to know whether the stream ends within a record.

    For the headers, see RFC 8446, section 5.1.
    """

    def __init__(self) -> None:
        self.first = bytearray()
        self._total = 0
        self._pieces = 0
        self._header = b""
        self._left = 0

    @property
    def cut(self) -> bool:
        """Whether the last record is incomplete."""
        return bool(self._header or self._left)

    def take(self, data: bytes) -> None:
        """Adds bytes from the peer. Raises ssl.SSLError if the handshake gets too long."""
        self.first += data[: _KEPT - len(self.first)]
        self._total += len(data)
        self._pieces += 1
        if self._total > MOST_BYTES or self._pieces > MOST_PIECES:
            text = f"more than {MOST_BYTES} bytes or {MOST_PIECES} reads"
            error = ssl.SSLError(ssl.SSL_ERROR_SSL, text)
            error.reason = "EXCESSIVE_MESSAGE_SIZE"
            raise error
        while data:
            if self._left:
                skipped = min(self._left, len(data))
                self._left -= skipped
                data = data[skipped:]
                continue
            missing = _HEADER - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == _HEADER:
                self._left = int.from_bytes(self._header[3:])
                self._header = b""
