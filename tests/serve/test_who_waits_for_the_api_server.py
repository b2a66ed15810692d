"""While the API server is slow to say who may do what, strangers keep nobody else out."""

import asyncio
import ssl

from aiohttp import web

from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import AccessGate
from kubevouch.serve.authorization import Authorizer
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from tests.serve.conftest import Served
from tests.support.reviews import ACCESS_REVIEWS
from tests.support.unhurried import GENEROUS


async def test_strangers_wait_in_half_of_the_places_only(served: Served, api: ApiClient) -> None:
    asked = asyncio.Semaphore(0)

    async def never(_: web.Request) -> web.StreamResponse:
        asked.release()
        answer: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        return await answer

    async def thing(_: HttpRequest) -> HttpResponse:
        return text_response("done")

    served.api_server.faults.clear()
    served.api_server.faults.on(ACCESS_REVIEWS, never)
    log = Log(served.lines.append, served.clock)
    gate = AccessGate(
        served.reloader.authentication,
        Authorizer(api, served.clock, log),
        {"/thing": thing, "/readyz": thing},
        log,
        served.clock,
        most_in_flight=4,
    )

    async def code(request: HttpRequest) -> int:
        async with asyncio.timeout(GENEROUS):
            return (await gate.answer(request)).code

    proxy = ssl.PEM_cert_to_DER_cert(served.authorities.front_proxy.chain.decode())
    named = {"x-remote-user": ("aggregator",), "x-remote-group": ("system:masters",)}
    known = HttpRequest("GET", "/thing", headers=named, certificates=(proxy,))
    strangers = [
        asyncio.create_task(gate.answer(HttpRequest("GET", f"/thing/{number}")))
        for number in range(5)
    ]
    for _ in range(2):
        await asked.acquire()
    assert [(await each).code for each in strangers[2:]] == [429] * 3
    assert await code(HttpRequest("GET", "/readyz")) == 200
    assert await code(known) == 200
    # When those who waited have gone, others may wait.
    for each in strangers[:2]:
        each.cancel()
    await asyncio.wait(strangers)
    served.api_server.faults.clear()
    served.reviews.play_on(served.api_server)
    assert await code(HttpRequest("GET", "/thing/again")) == 200
