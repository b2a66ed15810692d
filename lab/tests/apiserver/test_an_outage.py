"""An API server that does not answer for a while, as a client on the wire sees it; what is kept is there when it answers again."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from kubevouch_lab.apiserver.outage import Outage
from kubevouch_lab.apiserver.request import Presented, UserInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority

NAMESPACES = "/api/v1/namespaces"


def _by_token(presented: Presented) -> UserInfo:
    name = presented.headers.get("Authorization", "").removeprefix("Bearer ")
    return UserInfo(name or "ops", groups=("system:masters",) if name == "root" else ())


async def _answers(lab: Bench) -> None:
    await lab.server.end_outage()
    status, found = await lab.ask("GET", NAMESPACES)
    assert (status, len(found["items"])) == (200, 4)


@pytest.mark.parametrize("outage", [Outage.DOWN, Outage.NO_BACKEND, Outage.SILENT])
async def test_a_watch_that_is_open_ends_with_it(lab: Bench, outage: Outage) -> None:
    query = {"watch": "1"}
    async with lab.session.get(lab.server.url + NAMESPACES, params=query) as answer:
        assert await answer.content.readline()
        await lab.server.begin_outage(outage)
        async with asyncio.timeout(30):
            with contextlib.suppress(aiohttp.ClientError):  # it may be closed in good order
                while await answer.content.readline():
                    pass
    await _answers(lab)


async def test_a_server_that_is_down_refuses_connections(lab: Bench) -> None:
    await lab.server.begin_outage(Outage.DOWN)
    with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
        await lab.ask("GET", NAMESPACES)
    await _answers(lab)


async def test_a_load_balancer_without_a_backend_answers_with_a_page(lab: Bench) -> None:
    await lab.server.begin_outage(Outage.NO_BACKEND)
    status, page = await lab.ask("GET", NAMESPACES)
    assert (status, "No server is available" in page) == (503, True)
    await _answers(lab)


async def test_a_silent_server_leaves_a_request_without_an_answer(lab: Bench) -> None:
    await lab.server.begin_outage(Outage.SILENT)
    asked = asyncio.create_task(lab.ask("POST", NAMESPACES, {"metadata": {"name": "fifth"}}))
    done, _ = await asyncio.wait((asked,), timeout=1)
    assert not done
    await lab.server.end_outage()
    with pytest.raises(aiohttp.ClientError):
        await asked
    await _answers(lab)


async def test_an_overloaded_server_answers_nobody_but_masters(
    tmp_path: Path, authority: Authority
) -> None:
    async with bench(tmp_path, authority, authenticate=_by_token) as lab:
        await lab.server.begin_outage(Outage.OVERLOADED)
        for name, code in (("ops", 429), ("root", 200)):
            headers = {"Authorization": f"Bearer {name}"}
            async with lab.session.get(lab.server.url + NAMESPACES, headers=headers) as answer:
                assert answer.status == code
                assert answer.headers.get("Retry-After") == ("1" if code == 429 else None)
        await _answers(lab)
