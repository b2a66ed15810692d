"""The TLS and HTTP listener: bytes become an HttpRequest, an HttpResponse becomes bytes, all within bounds."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Final, Self

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.serve.messages import Handler, HttpRequest, HttpResponse, Pieces
from kubevouch.serve.statuses import timed_out
from kubevouch.tls import joined
from kubevouch.tls.io import ServerTls, client_chain

MOST_CONNECTIONS: Final = 512
"""Each may hold a third of a megabyte (docs/decisions/0004). API servers and Prometheus keep a few each."""
MOST_HANDSHAKES: Final = 128
"""Connections in the handshake, which MOST_CONNECTIONS does not count. One more ends the oldest handshake."""
_HANDSHAKE: Final = 10.0
_BACKLOG: Final = 512
_LARGEST_BODY: Final = 64 * 1024
_REQUEST_TIMEOUT: Final = 60.0
_PAUSE: Final = 1.0
_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the flag says by default
"""Each means every address of both families, as in every program of Go: an IPv6-only pod is probed at its own."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL})


class ListenError(KubevouchError):
    """This address or port cannot be listened on: choose another one."""


def _at_every_address(port: int) -> socket.socket:
    """Go's net.Listen at a wildcard address: one socket of both families (favoriteAddrFamily in ipsock_posix.go).

    Where the machine has no IPv6, one of IPv4.
    """
    try:
        listening = socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    except (OSError, ValueError) as error:
        # ValueError: Python was told at its compilation, or by the system, that there are no such sockets.
        if isinstance(error, OSError) and error.errno not in _NO_IPV6:
            raise
        listening = socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104
    listening.setblocking(False)  # noqa: FBT003 - its only argument
    return listening


class Listener:
    """Use with `async with`: it listens until the block ends; requests in flight then have `drain` seconds to finish.

    idle: seconds without a complete request after which a connection is closed. Entering raises ListenError.
    """

    def __init__(
        self,
        handler: Handler,
        tls: ServerTls,
        clock: Clock,
        *,
        host: str,
        port: int,
        drain: float = 10.0,
        idle: float = 120.0,
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._clock = clock
        self._host = host
        self._requested_port = port
        self._drain = drain
        self._idle = idle
        self._idle_since: dict[web.RequestHandler, float] = {}
        self._handshaking: dict[asyncio.Task[None], web.RequestHandler] = {}
        self.port = 0
        """The port it listens on; if port 0 was asked for, the one that the system chose."""
        self.leaving = False
        """Whether every answer ends its connection, so that clients that keep theirs go elsewhere."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._prepare)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_silenced_logger(),
            handler_cancellation=True,
            shutdown_timeout=self._drain,
        )
        await self._runner.setup()
        try:
            self._sockets = await self._listening()
        except OSError as error:
            await self._runner.cleanup()
            where = joined(self._host, self._requested_port)
            expected = "an address of this machine and a free port were expected"
            raise ListenError(where, error.strerror or str(error), expected) from None
        self.port = self._sockets[0].getsockname()[1]
        self._work = [asyncio.create_task(self._close_idle())]
        self._work += [asyncio.create_task(self._accept(each)) for each in self._sockets]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._work, *self._handshaking):
            task.cancel()
        await asyncio.gather(*self._work, *self._handshaking, return_exceptions=True)
        for each in self._sockets:
            each.close()
        await self._runner.cleanup()

    async def _listening(self) -> list[socket.socket]:
        """The sockets that asyncio binds, one for each address of the host. asyncio would not bound the handshakes."""
        if self._host in _EVERY_ADDRESS:
            return [_at_every_address(self._requested_port)]
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol,
            self._host,
            self._requested_port,
            reuse_address=True,
            start_serving=False,
        )
        sockets = [each.dup() for each in server.sockets]
        server.close()
        for each in sockets:
            each.setblocking(False)  # noqa: FBT003 - its only argument
            each.listen(_BACKLOG)
        return sockets

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listening)
            except OSError as error:
                # Out of files or memory: pause, as asyncio does. Any other error: the client is gone already.
                await self._clock.sleep(_PAUSE if error.errno in _OUT_OF_RESOURCES else 0)
                continue
            if len(self._handshaking) >= MOST_HANDSHAKES:
                next(iter(self._handshaking)).cancel()
            self._start_handshake(connection)
            await self._clock.sleep(0)

    def _start_handshake(self, connection: socket.socket) -> None:
        server = self._runner.server
        assert server is not None
        made = server()
        if len(self._idle_since) > 2 * (MOST_CONNECTIONS + MOST_HANDSHAKES):
            # Most of them are closed already: forget those.
            shaking = set(self._handshaking.values())
            for each in [each for each in self._idle_since if each.transport is None]:
                if each not in shaking:
                    del self._idle_since[each]
        self._idle_since[made] = self._clock.monotonic()
        task = asyncio.create_task(self._handshake(connection, made))
        self._handshaking[task] = made

        def ended(task: asyncio.Task[None]) -> None:
            self._handshaking.pop(task, None)
            if task.cancelled():
                # The task may have been cancelled before it began.
                connection.close()

        task.add_done_callback(ended)

    async def _handshake(self, connection: socket.socket, made: web.RequestHandler) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: made,
                connection,
                ssl=self._tls.context,
                ssl_handshake_timeout=_HANDSHAKE,
                ssl_shutdown_timeout=1.0,
            )
        except OSError:
            # No TLS, too slow, or gone: what strangers do is not worth a log line.
            connection.close()
            return
        server = self._runner.server
        assert server is not None
        if len(server.connections) > MOST_CONNECTIONS and not self._make_room():
            _end(made)

    def _make_room(self) -> bool:
        """Closes the connection that was idle for longest. False if every connection has a request in flight."""
        quiet = [each for each in self._idle_since if each.transport is not None]
        if not quiet:
            return False
        longest = min(quiet, key=self._idle_since.__getitem__)
        del self._idle_since[longest]
        _end(longest)
        return True

    async def _close_idle(self) -> None:
        """Closes connections without a complete request for `idle` seconds, also those that send it byte by byte."""
        while True:
            await self._clock.sleep(self._idle / 3)
            before = self._clock.monotonic() - self._idle
            for connection in [each for each, at in self._idle_since.items() if at < before]:
                del self._idle_since[connection]
                _end(connection)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        # A connection with a request in flight is not idle.
        self._idle_since.pop(request.protocol, None)
        try:
            return await self._respond(request)
        finally:
            self._idle_since[request.protocol] = self._clock.monotonic()

    async def _prepare(self, _: web.BaseRequest, answer: web.StreamResponse) -> None:
        """Removes the header that names the HTTP library and its version, and ends the connection where that is due."""
        answer.headers.pop("Server", None)
        if self.leaving or answer.headers.get("Connection") == "close":
            answer.headers["Connection"] = "close"
            answer.force_close()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        begun: web.StreamResponse | None = None
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                answer = await self._handler(_read(request))
                if answer.rest is None or request.method == "HEAD":
                    return await _whole(request, answer)
                begun = web.StreamResponse(status=answer.code, headers=_headers(answer))
                await self._send(request, begun, answer.body, answer.rest)
                return begun
        except Exception as error:
            if begun is None and isinstance(error, TimeoutError):
                return await _whole(request, timed_out())
            # The client has a part of the body already; an end without the last chunk says that it is no whole one.
            _end(request.protocol)
            raise

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        body: bytes,
        rest: Pieces,
    ) -> None:
        """Sends the body piece by piece. The next piece is made when the client has taken enough of those before."""
        async with contextlib.aclosing(rest):
            await response.prepare(request)
            await response.write(body)
            async for piece in rest:
                # Writing does not wait while the client keeps up; everybody else has a turn all the same.
                await self._clock.sleep(0)
                if piece:
                    await response.write(piece)
        await response.write_eof()


async def _whole(request: web.Request, answer: HttpResponse) -> web.Response:
    if answer.rest is not None:
        await answer.rest.aclose()
    body = b"" if request.method == "HEAD" else answer.body
    return web.Response(status=answer.code, body=body, headers=_headers(answer))


def _headers(answer: HttpResponse) -> Mapping[str, str]:
    common = {"Content-Type": answer.content_type, "Cache-Control": "no-cache, private"}
    return {**common, **answer.headers}


def _silenced_logger() -> logging.Logger:
    """A logger that drops what the HTTP library says about invalid HTTP; the access gate logs what matters."""
    logger = logging.getLogger("kubevouch.serve.listener")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def _end(connection: web.RequestHandler) -> None:
    """Closes a connection at once, without waiting for the peer to close it."""
    transport = connection.transport
    connection.force_close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def _read(request: web.Request) -> HttpRequest:
    tls = request.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    return HttpRequest(
        request.method,
        request.path,
        _values_by_name(list(request.query.items())),
        _values_by_name([(name.lower(), value) for name, value in request.headers.items()]),
        client_chain(tls),
    )


def _values_by_name(pairs: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        clean = value.encode(errors="surrogateescape").decode(errors="replace")
        found[name] = (*found.get(name, ()), clean)
    return found
