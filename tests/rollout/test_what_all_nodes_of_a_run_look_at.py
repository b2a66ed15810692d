"""CSRs and Nodes are read once for all nodes of a run, however many wait at the same time."""

import asyncio

import pytest

from kubevouch.kube.resources import CSRS
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.live_cluster import SharedRead, live_cluster
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock
from tests.support.scripted import faults
from tests.support.scripted.seen import Seen
from tests.support.stage import kind_of

from .acting import DARK, WORKER, Acting, a_signer, acting

PATH = CSRS.path()
DENIED = faults.answer(
    403,
    '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}',
    Content_Type="application/json",
)


def is_watch(request: Seen) -> bool:
    return "watch" in request.query


def lists(here: Acting) -> int:
    return sum(each.path == PATH and not is_watch(each) for each in here.stage.server.requests)


def watches(here: Acting) -> int:
    return sum(each.path == PATH and is_watch(each) for each in here.stage.server.requests)


async def test_nodes_that_wait_share_one_watch_of_csrs() -> None:
    """Each listed them all once a second: 16 nodes made 240 lists in 15 s."""
    async with acting(DARK, "pending-worker") as here:
        checked = await check(await here.plan(), here.context)
        before = lists(here)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(apply(checked, here.context, RolloutTimeouts(30, soak=0)))
            await asyncio.sleep(4)  # nobody signs meanwhile
            async with a_signer(here):
                result = await run
        assert {each.state for each in result.nodes} == {NodeState.DONE}
        assert watches(here) == 1
        assert lists(here) - before <= 3  # the watch's own, and who asked before it was there


async def test_where_csrs_cannot_be_watched_they_are_listed_once_a_second_for_all(
    dark: Acting,
) -> None:
    dark.stage.server.faults.on(PATH, DENIED, where=is_watch)
    checked = await check(await dark.plan(), dark.context)
    before, began = lists(dark), dark.context.clock.monotonic()
    result = await apply(checked, dark.context, RolloutTimeouts(30, soak=0))
    assert {each.state for each in result.nodes} == {NodeState.DONE}
    assert lists(dark) - before <= dark.context.clock.monotonic() - began + 3


async def test_what_a_silent_watch_says_is_confirmed_by_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that died without a word would else hide a CSR for minutes."""
    monkeypatch.setattr("kubevouch.rollout.act.live_cluster._QUIET", 0.0)
    monkeypatch.setattr("kubevouch.rollout.act.live_cluster._LISTED", 0.0)
    async with acting(DARK, "pending-worker") as here, live_cluster(here.context) as live:
        while not watches(here):
            await asyncio.sleep(0.01)
        [name] = [each.name for each in await live.csrs() if each.spec.username.endswith(WORKER)]
        before = lists(here)
        here.stage.server.store.delete(kind_of("CertificateSigningRequest"), name)
        assert name not in [each.name for each in await live.csrs()]
        assert lists(here) - before <= 1


async def test_a_read_is_shared_by_who_asked_before_it_began() -> None:
    reads = 0
    go_on = asyncio.Event()

    async def read() -> int:
        nonlocal reads
        reads += 1
        mine = reads
        await go_on.wait()
        return mine

    shared = SharedRead(read, SystemClock())
    first = asyncio.create_task(shared.value())
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(shared.value()) for _ in range(20)]
    await asyncio.sleep(0.01)
    go_on.set()
    assert await first == 1
    assert {await each for each in others} == {2}, "what was read before they asked is no answer"
