"""A served thing on loopback, an API server that it asks, and clients of every kind."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import AccessGate
from kubevouch.serve.authorization import Authorizer
from kubevouch.serve.connections import ConnectionLimits
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler, HttpRequest, HttpResponse, json_response
from kubevouch.serve.tls_reload import TlsReloader, TlsSources
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
    reloader: TlsReloader
    source: KeyPairSource
    port: int = 0
    seen: list[HttpRequest] = field(default_factory=list)

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


async def presented(port: int) -> bytes:
    """The certificate that a client sees, in DER. It is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    assert isinstance(found, bytes)
    return found


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
    source = key_pair_source(
        "", "", str(tmp_path / "certs"), now=clock.now(), random_serial=numbers.getrandbits
    )
    reloader = TlsReloader(api, clock, log, TlsSources(source))
    authentication, tls = await reloader.start(tolerate_missing=False)
    found = Served(authorities, api_server, reviews, clock, lines, reloader, source)

    async def thing(request: HttpRequest) -> HttpResponse:
        found.seen.append(request)
        return json_response({"user": request.user.name})

    routes: dict[str, Handler] = {"/thing": thing, "/apis/g/v1": thing, "/readyz": thing}
    gate = AccessGate(authentication, Authorizer(api, clock, log), routes, log, clock)
    async with Listener(
        gate.answer,
        tls,
        clock,
        host="127.0.0.1",
        port=0,
        drain=1.0,
        limits=ConnectionLimits(known=2),
        goes_first=authentication.is_front_proxy,
    ) as listener:
        found.port = listener.port
        yield found
