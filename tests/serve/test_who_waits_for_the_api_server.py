"""While the API server is slow to say who may do what, strangers keep nobody else out."""

import asyncio
import ssl
from dataclasses import replace

import pytest
from aiohttp import web

from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import AccessGate
from kubevouch.serve.authorization import Authorizer
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response
from tests.serve.conftest import Served
from tests.support.authority import Pair
from tests.support.front_proxy import client_context
from tests.support.reviews import ACCESS_REVIEWS, TOKEN_REVIEWS
from tests.support.unhurried import GENEROUS


def unanswered(served: Served, path: str) -> asyncio.Semaphore:
    """The API server answers no such question; released for each that comes."""
    asked = asyncio.Semaphore(0)

    async def never(_: web.Request) -> web.StreamResponse:
        asked.release()
        answer: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
        return await answer

    served.api_server.faults.clear()
    served.api_server.faults.on(path, never)
    return asked


async def left(waiting: list["asyncio.Task[HttpResponse]"]) -> None:
    """Those who waited have gone."""
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)


def _of_a_stranger(served: Served, who: str, number: int) -> HttpRequest:
    if who == "a token":
        return HttpRequest("GET", "/readyz", headers={"authorization": (f"Bearer {number}",)})
    chain = served.authorities.cluster.client("system:node:n1", "system:nodes").chain
    shown = (ssl.PEM_cert_to_DER_cert(chain.decode()),) if who == "a kubelet" else ()
    return HttpRequest("GET", f"/thing/{number}", certificates=shown)


@pytest.mark.parametrize("who", ["nobody", "a kubelet", "a token"])
async def test_strangers_wait_in_half_of_the_places_only(
    served: Served, api: ApiClient, who: str
) -> None:
    """So does whoever has a client certificate of the cluster, as the kubelet of each node has: only the aggregator has more.

    Whose a token is only the API server knows, on an open path, too: no number of made-up ones keeps a probe out.
    """
    asked = unanswered(served, TOKEN_REVIEWS if who == "a token" else ACCESS_REVIEWS)
    gate = _gate(served, api, most_in_flight=4)

    async def code(request: HttpRequest) -> int:
        async with asyncio.timeout(GENEROUS):
            return (await gate.answer(request)).code

    known = _of_the_aggregator(served)
    requests = [_of_a_stranger(served, who, number) for number in range(5)]
    strangers = [asyncio.create_task(gate.answer(each)) for each in requests]
    for _ in range(2):
        await asked.acquire()
    assert [(await each).code for each in strangers[2:]] == [429] * 3
    assert await code(HttpRequest("GET", "/readyz")) == 200
    assert await code(known) == 200
    # When those who waited have gone, others may wait.
    await left(strangers)
    served.api_server.faults.clear()
    served.reviews.play_on(served.api_server)
    assert await code(HttpRequest("GET", "/thing/again")) == 200


@pytest.mark.parametrize("path", ["/thing/", "/thing/" + "\x01" * 2600], ids=["short", "long"])
async def test_what_strangers_have_asked_about_is_not_answered_before_the_aggregators_question(
    served: Served, api: ApiClient, path: str
) -> None:
    """Up to 200 of them wait for the API server's word, which is asked for 32 at a time."""
    asked: list[str] = []

    async def never(request: web.Request) -> web.StreamResponse:
        user = (await request.json())["spec"]["user"]
        asked.append(user)
        if user == "aggregator":
            return web.json_response({"status": {"allowed": True}}, status=201)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    served.api_server.faults.clear()
    served.api_server.faults.on(ACCESS_REVIEWS, never)
    gate = _gate(served, api, most_in_flight=400)
    strangers = [
        asyncio.create_task(gate.answer(HttpRequest("GET", f"{path}{number}")))
        for number in range(150)
    ]
    async with asyncio.timeout(GENEROUS):
        while len(asked) < 16:
            await asyncio.sleep(0.01)
        known = _of_the_aggregator(served)
        known = replace(known, headers={"x-remote-user": ("aggregator",)})
        assert (await gate.answer(known)).code == 200
    assert asked.count("system:anonymous") == 16
    await left(strangers)


async def test_whoever_is_turned_away_has_not_shown_who_it_is(
    served: Served, api: ApiClient
) -> None:
    """Its connection ends: kept, it would count as a known client's, and take the room of an API server."""
    gate = _gate(served, api, most_in_flight=1)
    slow = asyncio.create_task(gate.answer(_of_the_aggregator(served, "/slow")))
    await asyncio.sleep(0)
    stranger = await gate.answer(HttpRequest("GET", "/readyz"))
    assert (stranger.code, stranger.headers.get("Connection")) == (429, "close")
    known = await gate.answer(_of_the_aggregator(served))
    assert (known.code, known.headers.get("Connection")) == (429, None)
    slow.cancel()
    await asyncio.wait([slow])
    failed = await gate.answer(HttpRequest("GET", "/livez"))
    assert (failed.code, failed.headers.get("Connection")) == (500, "close")


async def test_however_many_others_ask_at_once_the_aggregator_is_answered_before_most_of_them(
    served: Served, api: ApiClient
) -> None:
    """Each of them takes a part of a millisecond, and a scrape or an API server would wait for all."""
    # Who waits for a turn takes no place.
    gate, answered = _gate(served, api, most_in_flight=20), []

    async def ask(who: str, request: HttpRequest) -> None:
        assert (await gate.answer(request)).code == 200
        answered.append(who)

    others = [asyncio.create_task(ask("other", HttpRequest("GET", "/readyz"))) for _ in range(300)]
    await asyncio.create_task(ask("aggregator", _of_the_aggregator(served)))
    assert len(answered) < 20
    await asyncio.gather(*others)
    assert len(answered) == 301


async def test_no_number_of_connections_with_a_nodes_certificate_ends_the_aggregators(
    served: Served,
) -> None:
    node = served.authorities.cluster.client("system:node:n1", "system:nodes")
    roots = served.source.read().chain
    line = b"GET /readyz HTTP/1.1\r\nHost: a\r\nX-Remote-User: alice\r\n\r\n"

    async def connected(pair: Pair) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = client_context(roots, pair)
        return await asyncio.open_connection("127.0.0.1", served.port, ssl=context)

    reader, writer = await connected(served.authorities.front_proxy)
    others = [await connected(node) for _ in range(4)]
    for each in (*(other for _, other in others[2:]), writer):
        each.write(line)
    async with asyncio.timeout(GENEROUS):
        for told, _ in others[2:]:
            assert (await told.readline()).startswith(b"HTTP/1.1 200")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    for each in (writer, *(other for _, other in others)):
        each.transport.abort()


async def test_who_is_gone_before_its_turn_takes_none(served: Served, api: ApiClient) -> None:
    gate = _gate(served, api, most_in_flight=0)
    others = [asyncio.create_task(gate.answer(HttpRequest("GET", "/readyz"))) for _ in range(300)]
    await asyncio.sleep(0)
    for each in others[:-1]:
        each.cancel()
    async with asyncio.timeout(GENEROUS):
        assert (await others[-1]).code == 200


def _of_the_aggregator(served: Served, path: str = "/thing") -> HttpRequest:
    proxy = ssl.PEM_cert_to_DER_cert(served.authorities.front_proxy.chain.decode())
    named = {"x-remote-user": ("aggregator",), "x-remote-group": ("system:masters",)}
    return HttpRequest("GET", path, headers=named, certificates=(proxy,))


def _gate(served: Served, api: ApiClient, *, most_in_flight: int) -> AccessGate:
    async def thing(_: HttpRequest) -> HttpResponse:
        return text_response("done")

    async def slow(_: HttpRequest) -> HttpResponse:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def broken(_: HttpRequest) -> HttpResponse:
        raise RuntimeError("of a test")

    log = Log(served.lines.append, served.clock)
    return AccessGate(
        served.reloader.authentication,
        Authorizer(api, served.clock, log),
        {"/thing": thing, "/readyz": thing, "/slow": slow, "/livez": broken},
        log,
        served.clock,
        most_in_flight=most_in_flight,
    )
