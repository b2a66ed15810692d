"""A server that is told to end: whoever still comes is served, until nobody is sent there any more."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from kubevouch.serve.server import ServerPart, ServingOptions, new_registry, serve_part
from kubevouch.serve.tls_reload import TlsSources
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import client_context
from tests.support.unhurried import GENEROUS

AUTHORITY = Authority("clients")
DELAY = 5.0
ASKING = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Ending:
    """A server that runs until its stop is requested. working: whether its work goes on."""

    clock: SteppedClock
    roots: bytes
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    task: asyncio.Task[None] | None = None
    lines: list[str] = field(default_factory=list)
    working: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.asked.set()
        if "slow" in request.query:
            await self.go.wait()
        return text_response("done")

    async def work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = client_context(self.roots, AUTHORITY.client("admin"))
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)

    async def ask(self) -> bytes:
        """The answer on a connection of its own, up to its end."""
        reader, writer = await self.connected()
        writer.write(ASKING)
        async with asyncio.timeout(GENEROUS):
            return await reader.read()


@pytest.fixture
async def ending(api: ApiClient) -> AsyncIterator[Ending]:
    clock = SteppedClock(MOMENT, settle=0.02)
    source = key_pair_source("", "", "", now=MOMENT, random_serial=random.Random(1).getrandbits)
    found = Ending(clock, source.read().chain)
    listens = asyncio.Event()

    def ready(port: int) -> None:
        found.port = port
        listens.set()

    found.task = asyncio.create_task(
        serve_part(
            api,
            clock,
            Log(found.lines.append, clock, verbosity=1),
            ServingOptions(
                "127.0.0.1",
                0,
                TlsSources(
                    source,
                    flag_trust=lambda: ClientTrust(client_ca=AUTHORITY.pem),
                    use_published=False,
                ),
                shutdown_delay=DELAY,
            ),
            part=ServerPart(found.work, routes={"/livez": found.answer}),
            registry=new_registry(),
            stop=found.stop,
            ready=ready,
        )
    )
    async with asyncio.timeout(GENEROUS):
        await listens.wait()
    yield found
    found.task.cancel()
    await asyncio.gather(found.task, return_exceptions=True)


async def test_it_serves_and_works_on_for_the_delay_and_then_no_more(
    ending: Ending,
) -> None:
    """Kubernetes takes some time until it sends nobody to a pod that ends."""
    assert ending.task
    ending.stop.set()
    await ending.clock.wind(timedelta(seconds=DELAY - 1))
    assert (await ending.ask()).endswith(b"done")
    assert ending.working
    assert not ending.task.done()
    await ending.clock.wind(timedelta(seconds=2))
    async with asyncio.timeout(GENEROUS):
        await ending.task
    assert not ending.working
    with pytest.raises(ConnectionError):
        await ending.connected()


async def test_a_client_that_keeps_its_connection_is_told_to_go_elsewhere(ending: Ending) -> None:
    """An API server keeps connections: it would come again when nobody answers any more."""
    reader, writer = await ending.connected()
    with contextlib.closing(writer):
        writer.write(ASKING)
        assert b"Connection" not in await reader.readuntil(b"done")
        ending.stop.set()
        await ending.clock.wind(timedelta(seconds=DELAY - 1))
        writer.write(ASKING)
        async with asyncio.timeout(GENEROUS):
            assert b"\r\nConnection: close\r\n" in await reader.read()


async def test_what_was_asked_before_the_delay_is_over_is_answered(
    ending: Ending,
) -> None:
    assert ending.task
    reader, writer = await ending.connected()
    writer.write(ASKING.replace(b"/livez", b"/livez?slow"))
    await ending.asked.wait()
    ending.stop.set()
    await ending.clock.wind(timedelta(seconds=DELAY + 1))
    assert not ending.task.done()
    ending.go.set()
    with contextlib.suppress(ssl.SSLError):
        async with asyncio.timeout(GENEROUS):
            assert (await reader.read()).endswith(b"done")
    await ending.task
