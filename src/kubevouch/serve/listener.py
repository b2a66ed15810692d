"""TLS and HTTP: bytes on the wire into a Request, a Response into bytes. Bounded in number, size and time."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Final, Self

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.serve.messages import Handler, Request, Response
from kubevouch.serve.statuses import timed_out
from kubevouch.tls import ServerTls, client_chain

MOST_CONNECTIONS: Final = 512
"""Each may hold a third of a megabyte (docs/decisions/0004). API servers and Prometheus keep a few each."""
_HANDSHAKE: Final = 10.0
_LARGEST_BODY: Final = 64 * 1024
_UNENDING: Final = 60.0


class ListenError(KubevouchError):
    """Nobody can be served there. Another address or port is needed."""


class Listener:
    """`async with` it: listens until the block ends; then those who are being answered have `drain` seconds.

    idle: seconds after which a connection is ended on which nothing was asked. Raises ListenError.
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
        self._wanted = port
        self._drain = drain
        self._idle = idle
        self._quiet_since: dict[web.RequestHandler, float] = {}
        self.port = 0
        """Where it listens; with port 0 it is known only then."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(_unsigned)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_silent(),
            handler_cancellation=True,
            shutdown_timeout=self._drain,
        )
        await self._runner.setup()
        try:
            self._server = await self._listening()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._host}:{self._wanted}"
            right = "an address of this machine and a free port were expected"
            raise ListenError(where, error.strerror or str(error), right) from None
        self.port = self._server.sockets[0].getsockname()[1]
        self._reaping = asyncio.create_task(self._reap())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reaping.cancel()
        self._server.close()
        await self._runner.cleanup()

    async def _listening(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            self._connection,
            self._host or None,
            self._wanted,
            ssl=self._tls.context,
            ssl_handshake_timeout=_HANDSHAKE,
            ssl_shutdown_timeout=1.0,
            reuse_address=True,
            backlog=512,
        )

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= MOST_CONNECTIONS:
            return _Full()
        made = server()
        self._quiet_since[made] = self._clock.monotonic()
        return made

    async def _reap(self) -> None:
        """Ends connections on which nothing whole was asked for a while: idle ones, and those that say it byte by byte."""
        while True:
            await self._clock.sleep(self._idle / 3)
            before = self._clock.monotonic() - self._idle
            for connection in [each for each, at in self._quiet_since.items() if at < before]:
                del self._quiet_since[connection]
                connection.force_close()

    async def _handle(self, request: web.Request) -> web.Response:
        # While it is answered it is not quiet.
        self._quiet_since.pop(request.protocol, None)
        try:
            return await self._answered(request)
        finally:
            self._quiet_since[request.protocol] = self._clock.monotonic()

    async def _answered(self, request: web.Request) -> web.Response:
        answer = await self._within_time(_read(request))
        body = b"" if request.method == "HEAD" else answer.body
        headers = {"Content-Type": answer.content_type, "Cache-Control": "no-cache, private"}
        return web.Response(status=answer.code, body=body, headers={**headers, **answer.headers})

    async def _within_time(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(_UNENDING):
                return await self._handler(request)
        except TimeoutError:
            return timed_out()


async def _unsigned(_: web.BaseRequest, answer: web.StreamResponse) -> None:
    """Nobody needs to know which library, of which version, answers."""
    answer.headers.pop("Server", None)


def _silent() -> logging.Logger:
    """What the HTTP library says about bytes that are no HTTP; what matters is logged by the gate."""
    logger = logging.getLogger("kubevouch.serve.listener")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _read(request: web.Request) -> Request:
    tls = request.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    return Request(
        request.method,
        request.path,
        _all(list(request.query.items())),
        _all([(name.lower(), value) for name, value in request.headers.items()]),
        client_chain(tls),
    )


def _all(pairs: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        clean = value.encode(errors="surrogateescape").decode(errors="replace")
        found[name] = (*found.get(name, ()), clean)
    return found
