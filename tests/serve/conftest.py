"""A served thing on loopback, an API server that it asks, and clients of every kind."""

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.authentication import Authentication
from kubevouch.serve.authorization import Authorization
from kubevouch.serve.gate import Gate
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler, Request, Response, in_json
from kubevouch.serve.pair import PairSource, pair_source
from kubevouch.serve.process import Freshness
from kubevouch.serve.trust import Trust
from tests.support.apiservers import MOMENT, access_to, client_of
from tests.support.authority import Authority, Pair
from tests.support.clocks import SteppedClock
from tests.support.contexts import server_context
from tests.support.front_proxy import Authorities, client_context
from tests.support.reviews import Reviews
from tests.support.scripted.apiserver import ScriptedApiServer


@dataclass(frozen=True)
class Answered:
    code: int
    text: str
    headers: Mapping[str, str]


@dataclass
class Served:
    """What a test may look at. seen: who asked, as the handler was told."""

    authorities: Authorities
    api_server: ScriptedApiServer
    reviews: Reviews
    clock: SteppedClock
    lines: list[str]
    freshness: Freshness
    source: PairSource
    port: int = 0
    seen: list[Request] = field(default_factory=list)

    async def get(
        self,
        path: str,
        *,
        pair: Pair | None = None,
        headers: Sequence[tuple[str, str]] = (),
        method: str = "GET",
    ) -> Answered:
        """A connection of its own."""
        roots = self.source.read().chain
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=list(headers),
                ssl=client_context(roots, pair),
                allow_redirects=False,
            ) as answer,
        ):
            return Answered(answer.status, await answer.text(), dict(answer.headers))


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Served]]


@pytest.fixture(scope="session")
def authorities() -> Authorities:
    return Authorities()


@pytest.fixture(scope="session")
def api_authority() -> Authority:
    return Authority("api server")


@pytest.fixture
async def api_server(api_authority: Authority) -> AsyncIterator[ScriptedApiServer]:
    context = server_context(api_authority.serving("127.0.0.1"))
    async with ScriptedApiServer(context, SteppedClock(MOMENT)) as server:
        yield server


@pytest.fixture
async def api(api_server: ScriptedApiServer, api_authority: Authority) -> AsyncIterator[ApiClient]:
    async with client_of(access_to(api_server, api_authority)) as client:
        yield client


@pytest.fixture
async def served(
    tmp_path: Path, authorities: Authorities, api_server: ScriptedApiServer, api: ApiClient
) -> AsyncIterator[Served]:
    """One thing at /thing and at /apis/g/v1/things, behind the gate, over TLS."""
    authorities.publish(api_server)
    reviews = Reviews()
    reviews.play_on(api_server)
    # Certificates of trustme begin now: so does this clock.
    clock = SteppedClock(MOMENT)
    lines: list[str] = []
    log = Log(lines.append, clock)
    numbers = random.Random(1)
    source = pair_source(
        "", "", str(tmp_path / "certs"), now=clock.now(), random_serial=numbers.getrandbits
    )
    freshness = Freshness(api, clock, log, source=source, given=Trust(), follow=True)
    authentication, tls = await freshness.start(tolerate=False)
    found = Served(authorities, api_server, reviews, clock, lines, freshness, source)

    async def thing(request: Request) -> Response:
        found.seen.append(request)
        return in_json({"user": request.user.name})

    gate = _gate(api, clock, log, authentication, thing)
    async with Listener(gate.answer, tls, clock, host="127.0.0.1", port=0, drain=1.0) as listener:
        found.port = listener.port
        yield found


def _gate(
    api: ApiClient,
    clock: SteppedClock,
    log: Log,
    authentication: Authentication,
    thing: Handler,
) -> Gate:
    routes = {"/thing": thing, "/apis/g/v1": thing, "/readyz": thing}
    return Gate(authentication, Authorization(api, clock, log), routes, log)
