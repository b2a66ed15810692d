"""A kubelet's port on loopback, by script: real TLS, every way of not answering, a log of what it was sent.

For the tests that need no cluster, and the seed of the lab. It knows nothing of the client under test. What it
does may be changed while it runs, as a kubelet's certificate is; a connection keeps what held when it was accepted.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self

from kubevouch.clock import Clock

_CHUNK: Final = 16 * 1024
_LARGEST_REQUEST: Final = 64 * 1024


@dataclass(frozen=True)
class Raw:
    """An answer byte by byte, HTTP and all: `head`, then `body` so many `times`.

    then: "stay" keeps the connection for the next request, "hold" says no more on it, "close" ends it.
    """

    head: bytes
    body: bytes = b""
    times: int = 1
    then: str = "stay"


@dataclass(frozen=True)
class Serve:
    """Finishes the handshake and answers HTTP/1.1 by path: a map from path to (status, body), or to Raw bytes.

    The map may be changed while it serves.

    context: a server's TLS context; ask for client certificates with CERT_OPTIONAL in it. A kubelet asks too, and
    never requires one. What is not in the map is a 404. authenticates: who has neither a token nor a certificate gets 401.
    """

    context: ssl.SSLContext
    answers: Mapping[str, tuple[int, bytes] | Raw] = field(default_factory=dict)
    authenticates: bool = False


@dataclass(frozen=True)
class Say:
    """Speaks no TLS of its own: after the first bytes of the client it sends these, and then does `then`.

    at_once: sends without waiting for the client. pause: seconds before each single byte; 0 sends them together.
    then: "close" ends politely, "reset" sends a TCP reset, "hold" keeps the connection until the client leaves.
    """

    what: bytes
    then: str = "close"
    at_once: bool = False
    pause: float = 0.0


Behaviour = Serve | Say

SILENCE: Final = Say(b"", then="hold", at_once=True)
"""Accepts, and never says a word."""
HANG_UP: Final = Say(b"", at_once=True)
RESET: Final = Say(b"", then="reset")
PLAIN_HTTP: Final = Say(
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
)
"""Go's HTTP server, shown a ClientHello."""


def alert(number: int) -> Say:
    """A fatal TLS alert in answer to the ClientHello (RFC 8446, 6). 80 is the kubelet's, when it has no certificate."""
    return Say(bytes([21, 3, 3, 0, 2, 2, number]))


NO_CERTIFICATE: Final = alert(80)
"""What a kubelet with serverTLSBootstrap says until it has one (kubernetes-behaviour: GetCertificate fails)."""


_TLS_1_0_HELLO: Final = (
    b"\x16\x03\x01\x00\x4a\x02\x00\x00\x46\x03\x01"
    + bytes(32)
    + b"\x20"
    + bytes(32)
    + b"\x00\x2f\x00"
)

WAYS_TO_FAIL: Final[Mapping[str, Behaviour]] = {
    "no certificate": NO_CERTIFICATE,
    "handshake failure": alert(40),
    "bad certificate": alert(42),
    "unknown authority": alert(48),
    "protocol version": alert(70),
    "certificate required": alert(116),
    "an alert without a name": alert(200),
    "hangs up": HANG_UP,
    "hangs up within a record": Say(b"\x16\x03\x03\x00\x50abc"),
    "says goodbye": Say(bytes([21, 3, 3, 0, 2, 1, 0])),
    "resets": RESET,
    "plain HTTP": PLAIN_HTTP,
    "another protocol": Say(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", at_once=True),
    "TLS 1.0 only": Say(_TLS_1_0_HELLO, then="hold"),
    "a record too long": Say(b"\x16\x03\x03\xff\xff" + bytes(70_000)),
    "silence": SILENCE,
}
"""Every way in which a port may not come to a handshake, by name."""


@dataclass
class Connection:
    """One connection, as it was seen. `sent` is every application byte the client sent, after the handshake."""

    sent: bytearray = field(default_factory=bytearray)
    shook_hands: bool = False
    client_certificate: bytes | None = None
    """DER, verified by the context; None if the client presented none."""
    resumed: bool = False
    """The client went on with a TLS session of an earlier connection."""
    said_goodbye: bool = False
    """The client ended TLS as it should (close_notify)."""


class ScriptedKubelet:
    """`async with ScriptedKubelet(behaviour, clock) as kubelet:` listens on one loopback address until the block ends."""

    def __init__(self, behaviour: Behaviour, clock: Clock, *, host: str = "127.0.0.1") -> None:
        self.behaviour = behaviour
        self.host = host
        self.port = 0
        self.seen: list[Connection] = []
        self.open = 0
        self.most_open = 0
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._attending: set[asyncio.Task[None]] = set()

    @property
    def sent(self) -> bytes:
        """Every application byte of every client."""
        return b"".join(bytes(connection.sent) for connection in self.seen)

    async def __aenter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self.host, self.port))
        self._socket.listen(4096)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._start(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()

    def cut(self) -> None:
        """Ends every open connection, as a kubelet that is restarted does."""
        for task in self._attending:
            task.cancel()

    def _start(self, work: "asyncio._CoroutineLike[None]") -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(self._socket)
            accepted.setblocking(False)
            task = self._start(self._attend(accepted))
            self._attending.add(task)
            task.add_done_callback(self._attending.discard)
            # Also if it is cancelled before it has begun.
            task.add_done_callback(partial(_close, accepted))

    async def _attend(self, accepted: socket.socket) -> None:
        connection = Connection()
        self.seen.append(connection)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with accepted, contextlib.suppress(OSError, ssl.SSLError):
                match self.behaviour:
                    case Say() as script:
                        await self._say(accepted, script)
                    case Serve() as serve:
                        await _Served(accepted, serve, connection).run()
        finally:
            self.open -= 1

    async def _say(self, accepted: socket.socket, script: Say) -> None:
        loop = asyncio.get_running_loop()
        if not script.at_once:
            await loop.sock_recv(accepted, _CHUNK)
        if script.pause:
            for byte in script.what:
                await self._clock.sleep(script.pause)
                await loop.sock_sendall(accepted, bytes([byte]))
        else:
            await loop.sock_sendall(accepted, script.what)
        if script.then == "hold":
            while await loop.sock_recv(accepted, _CHUNK):
                pass
        elif script.then == "reset":
            # Linger of zero seconds: close sends RST, not FIN.
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            # Read what the client still sends: unread bytes would turn the close into a reset.
            accepted.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(accepted, _CHUNK):
                pass


def _close(accepted: socket.socket, _: object) -> None:
    accepted.close()


class _Served:
    """One connection over TLS. Memory BIOs, so that thousands of idle connections cost little."""

    def __init__(self, accepted: socket.socket, serve: Serve, connection: Connection) -> None:
        self._socket = accepted
        self._serve = serve
        self._connection = connection
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = serve.context.wrap_bio(self._in, self._out, server_side=True)

    async def run(self) -> None:
        """Shakes hands, then answers requests until the client leaves."""
        await self._shake()
        self._connection.shook_hands = True
        self._connection.resumed = bool(self._tls.session_reused)
        self._connection.client_certificate = self._tls.getpeercert(binary_form=True)
        pending = b""
        while data := await self._read():
            self._connection.sent += data
            pending += data
            while b"\r\n\r\n" in pending:
                head, _, pending = pending.partition(b"\r\n\r\n")
                if not await self._answer(head):
                    return
            if len(pending) > _LARGEST_REQUEST:
                return

    async def _shake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                # The alert that says why.
                await self._flush()
                raise
            else:
                await self._flush()
                return

    async def _read(self) -> bytes:
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            else:
                # Nothing: the client ended TLS (close_notify). A bare end of TCP is an SSLEOFError.
                self._connection.said_goodbye = not data
                return data

    async def _answer(self, head: bytes) -> bool:
        """Whether the connection goes on."""
        words = head.split(b"\r\n", 1)[0].split(b" ")
        path = words[1].decode(errors="replace") if len(words) > 1 else ""
        answer = self._serve.answers.get(path, (404, b"404 page not found\n"))
        if self._serve.authenticates and not self._known(head):
            answer = (401, b"Unauthorized")
        if not isinstance(answer, Raw):
            status, body = answer
            start = b"HTTP/1.1 %d Scripted\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            answer = Raw(start, body)
        self._tls.write(answer.head)
        for _ in range(answer.times if answer.body else 0):
            self._tls.write(answer.body)
            await self._flush()
        await self._flush()
        while answer.then == "hold" and await self._read():
            pass
        return answer.then == "stay"

    def _known(self, head: bytes) -> bool:
        """Whether the client has a token or a certificate that TLS has verified."""
        presented = self._connection.client_certificate is not None
        return presented or b"\r\nauthorization: bearer " in head.lower()

    async def _feed(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
        if not data:
            self._in.write_eof()
        self._in.write(data)

    async def _flush(self) -> None:
        if self._out.pending:
            await asyncio.get_running_loop().sock_sendall(self._socket, self._out.read())
