"""An API server on loopback: real TLS, one store for every kind, a log of what it saw, faults by script.

For the tests that need no cluster. It knows nothing of the client under test.
What it does not know it answers with 404, never with a guess.
"""

import ssl
from typing import Self

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.status import StatusError
from tests.support.scripted.answers import Answer, Answers, refusal
from tests.support.scripted.faults import Faults
from tests.support.scripted.seen import Seen, seen
from tests.support.scripted.watches import Watches


class ScriptedApiServer(Answers):
    """`async with ScriptedApiServer(context, clock) as server:` listens on 127.0.0.1 until the block ends.

    context: a server's TLS context, with CERT_OPTIONAL in it if clients may show a certificate;
    None serves plain HTTP. `requests` is everything it saw, in order; `faults` are played before the truth.
    `watches` are the open ones. Its answers have the clock's time as their Date.
    """

    def __init__(self, context: ssl.SSLContext | None, clock: Clock) -> None:
        super().__init__(clock)
        self._context = context
        self.faults = Faults()
        self.watches = Watches()
        self.store.compacted = self.watches.expire
        self.requests: list[Seen] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def listen(self) -> None:
        """Begins, at the port that it had before if it had one."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", r"/{path:(?s:.*)}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        """Its connections end as those of a killed process do, and nobody listens at its port. What it holds stays."""
        for each in self._runner.server.connections if self._runner.server else ():
            if each.transport is not None:
                each.transport.abort()
        await self._runner.cleanup()

    async def truth(self, request: web.Request) -> web.StreamResponse:
        """The true answer, for a script that only delays it."""
        return self._response(self.answer(await seen(request)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        looked = await seen(request)
        self.requests.append(looked)
        play = self.faults.due(looked)
        try:
            if play is not None:
                return await play(request)
            if (watching := self.watching(looked)) is not None:
                return await self.watches.serve(request, watching, self.formed(looked))
            return self._response(self.answer(looked))
        except StatusError as error:
            return self._response(refusal(error))

    def _response(self, answer: Answer) -> web.Response:
        return web.Response(
            status=answer.code,
            body=answer.body,
            content_type=answer.content_type,
            headers={"Date": f"{self._clock.now():%a, %d %b %Y %H:%M:%S GMT}", **answer.headers},
        )
