"""The TLS and HTTP listener: turns bytes into an HttpRequest, and an HttpResponse into bytes, within limits."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Self

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.serve.accepting import accept_connections, listening_socket
from kubevouch.serve.connections import ConnectionLimits, Connections
from kubevouch.serve.messages import (
    Handler,
    HttpRequest,
    HttpResponse,
    Pieces,
    ValuesReadLater,
    ending,
)
from kubevouch.serve.statuses import timed_out
from kubevouch.tls import joined
from kubevouch.tls.io.server import (
    ServerConnection,
    ServerTls,
    client_chain,
    ignore_unreadable_names,
)

_HANDSHAKE: Final = 10
_LIMITS: Final = ConnectionLimits()
_MOST_HEADERS: Final = 1000
"""The maximum number of headers. The front proxy sends one header for each group of a user. The total length has its own limit."""


class ListenError(KubevouchError):
    """The server cannot listen on this address or port: choose another one."""


class Listener:
    """Listens inside an `async with` block. At the end of the block, requests in flight have `drain` seconds to finish.

    request_timeout: seconds for one request. limits: limits on connections. goes_first: returns
    whether a client with these certificates is the front proxy, which has a separate limit.
    cannot_accept: called with the error once per outage. Entering the block raises ListenError.
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
        request_timeout: float = 60.0,
        limits: ConnectionLimits = _LIMITS,
        goes_first: Callable[[tuple[bytes, ...]], bool] = lambda _: False,
        cannot_accept: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._clock = clock
        self._host = host
        self._requested_port = port
        self._drain = drain
        self._request_timeout = request_timeout
        self._limits = limits
        self._goes_first = goes_first
        self._cannot_accept = cannot_accept
        self._connections: Connections[ServerConnection] = Connections(limits)
        self._handlers: dict[ServerConnection, web.RequestHandler] = {}
        self._by_handler: dict[web.RequestHandler, ServerConnection] = {}
        self.address, self.port = "", 0
        """The address and port of the listening socket. The kernel chooses the port if the requested one is 0."""
        self.leaving = False
        """Whether to close each connection after its answer, so that clients move to another replica."""

    async def __aenter__(self) -> Self:
        ignore_unreadable_names()
        # A route would miss requests without a path, such as `OPTIONS *`.
        app = web.Application(middlewares=[self._answer_any])
        app.on_response_prepare.append(self._prepare)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_silenced_logger(),
            handler_cancellation=True,
            shutdown_timeout=self._drain,
            max_headers=_MOST_HEADERS,
            # No handler reads a body: do not decompress a client's 60 KB to 60 MB.
            auto_decompress=False,
        )
        await self._runner.setup()
        try:
            self._socket = listening_socket(self._host, self._requested_port)
        except OSError as error:
            await self._runner.cleanup()
            where = joined(self._host, self._requested_port)
            expected = "expected an address of this machine and an unused port"
            raise ListenError(where, error.strerror or str(error), expected) from None
        self.address, self.port = self._socket.getsockname()[:2]
        accepting = accept_connections(
            self._socket,
            self._begin,
            self._clock,
            where=joined(self.address, self.port),
            report=self._cannot_accept,
        )
        self._work = [asyncio.create_task(each) for each in (self._close_idle(), accepting)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        self._socket.close()
        for connection in self._connections:
            handler = self._handlers.get(connection)
            if handler is None or handler.transport is None:
                connection.abort()
        await self._runner.cleanup()

    async def accepts(self) -> None:
        """Waits until the server stops accepting connections. Raises AcceptError if the socket is broken."""
        ended, _ = await asyncio.wait(self._work, return_when=asyncio.FIRST_EXCEPTION)
        for task in ended:
            task.result()

    def _begin(self, accepted: socket.socket, peer: str) -> None:
        """Starts to serve a connection. A failed handshake is not logged: anybody can cause one.

        Raises OSError if the event loop cannot watch the connection.
        """
        server = self._runner.server
        assert server is not None

        def handler() -> web.RequestHandler:
            made = self._handlers[connection] = server()
            self._by_handler[made] = connection
            return made

        def opened() -> None:
            if chain := connection.client_chain():
                self._end(self._connections.know(connection, first=self._goes_first(chain)))

        def closed() -> None:
            self._connections.forget(connection)
            if made := self._handlers.pop(connection, None):
                del self._by_handler[made]

        try:
            accepted.setblocking(False)  # noqa: FBT003 - its only argument
            connection = ServerConnection(
                accepted,
                protocol=handler,
                context=lambda: self._tls.context,
                handshake_timeout=_HANDSHAKE,
                opened=opened,
                closed=closed,
            )
        except OSError:
            accepted.close()
            raise
        self._end(self._connections.begin(connection, peer, self._clock.monotonic()))

    def _end(self, connection: ServerConnection | None) -> None:
        """Closes a connection at once, without waiting for the peer."""
        if connection is None:
            return
        self._connections.forget(connection)
        if handler := self._handlers.get(connection):
            handler.force_close()
        with contextlib.suppress(OSError):
            connection.abort()

    async def _close_idle(self) -> None:
        while True:
            await self._clock.sleep(min(self._limits.idle, self._limits.patience) / 3)
            for connection in self._connections.overdue(self._clock.monotonic()):
                self._end(connection)

    @web.middleware
    async def _answer_any(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],  # noqa: ARG002
    ) -> web.StreamResponse:
        return await self._handle(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        connection = self._by_handler.get(request.protocol)
        if connection is None:
            # The connection was closed meanwhile, so the client gets no response.
            return web.Response(status=503)
        self._connections.ask(connection)
        connection.asked()
        try:
            answer = await self._respond(request, connection)
        finally:
            self._connections.answer(connection, self._clock.monotonic())
        if answer.headers.get("Connection") != "close":
            if (leaving := self._connections.know(connection)) is connection:
                answer.force_close()
            else:
                self._end(leaving)
        return answer

    async def _prepare(self, _: web.BaseRequest, answer: web.StreamResponse) -> None:
        """Removes the Server header, which has the HTTP library's version.

        Closes the connection after this answer if required.
        """
        answer.headers.pop("Server", None)
        ends = self.leaving or answer.headers.get("Connection") == "close"
        # The HTTP library itself answers an unknown Expect header, before the access gate. Like Go's
        # server, we end the connection.
        if ends or answer.status == HTTPStatus.EXPECTATION_FAILED:
            answer.headers["Connection"] = "close"
            answer.force_close()

    async def _respond(
        self, request: web.Request, connection: ServerConnection
    ) -> web.StreamResponse:
        begun: web.StreamResponse | None = None
        try:
            async with asyncio.timeout(self._request_timeout):
                answer = await self._handler(_read(request))
                if answer.rest is None or request.method == "HEAD":
                    return await _whole(request, answer)
                begun = web.StreamResponse(status=answer.code, headers=_headers(answer))
                await self._send(request, begun, answer.body, answer.rest)
                return begun
        except Exception as error:
            if begun is None and isinstance(error, TimeoutError):
                # The client is still unknown, so its connection is not kept as a known client's.
                return await _whole(request, ending(timed_out()))
            # If the body has started, an end without the last chunk marks it as incomplete.
            self._end(connection)
            raise

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        body: bytes,
        rest: Pieces,
    ) -> None:
        """Sends the body piece by piece. Makes a piece only when the client has read enough of the earlier ones."""
        async with contextlib.aclosing(rest):
            await response.prepare(request)
            await response.write(body)
            async for piece in rest:
                # Writing does not wait while the client keeps up, so yield to all others.
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
    """A logger that drops the HTTP library's messages about invalid HTTP.

    The access gate writes the log lines about requests.
    """
    logger = logging.getLogger("kubevouch.serve.listener")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def _read(request: web.Request) -> HttpRequest:
    tls = request.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    return HttpRequest(
        request.method,
        request.path,
        ValuesReadLater(lambda: request.query.items()),  # noqa: PLW0108 - the query is read when needed
        ValuesReadLater(lambda: ((name.lower(), value) for name, value in request.headers.items())),
        client_chain(tls),
        uri=request.raw_path,
        peer=joined(*(request.get_extra_info("peername") or ("", 0))[:2]),
    )
