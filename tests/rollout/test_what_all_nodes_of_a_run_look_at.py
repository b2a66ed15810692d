"""What a run reads of the cluster: CSRs and Nodes once for all nodes that wait. It waits for an API server that does not answer."""

import asyncio
from dataclasses import replace

import pytest

from kubevouch.kube.io.http_client import ATTEMPTS
from kubevouch.kube.resources import CSRS, NODES
from kubevouch.rollout.act import node_turn
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.live_cluster import SharedRead, live_cluster
from kubevouch.rollout.act.node_turn import NodeTurns
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver import status
from tests.support.scripted import faults
from tests.support.scripted.seen import Seen
from tests.support.stage import kind_of
from tests.support.unhurried import until

from .acting import DARK, SECOND, WORKER, Acting, a_signer, acting, answered

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
            run = group.create_task(apply(checked, here.context, RolloutTimeouts(120, soak=0)))
            await asyncio.sleep(2)  # nobody signs meanwhile
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
    result = await apply(checked, dark.context, RolloutTimeouts(120, soak=0))
    assert {each.state for each in result.nodes} == {NodeState.DONE}
    assert lists(dark) - before <= dark.context.clock.monotonic() - began + 3


async def test_what_a_silent_watch_says_is_confirmed_by_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that died without a word would else hide a CSR for minutes."""
    monkeypatch.setattr("kubevouch.rollout.act.live_cluster._QUIET", 0.0)
    monkeypatch.setattr("kubevouch.rollout.act.live_cluster._LISTED", 0.0)
    async with acting(DARK, "pending-worker") as here, live_cluster(here.context) as live:
        await until(lambda: watches(here))
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


# Where nothing is begun, it waits for an API server that does not answer; and says so where it cannot tell.

AWAY = faults.html(503)
GONE = faults.refuse(status.StatusError(404, "NotFound", "not found"))
SEVERAL = ATTEMPTS + 1
"""Answers: more than the client asks for anew by itself."""


async def test_at_a_nodes_turn_it_is_waited_for_and_the_node_is_done(dark: Acting) -> None:
    """The plan was checked, and the load balancer changes over: a canary that was stopped would end the run."""
    checked = await check(await dark.plan(WORKER, SECOND), dark.context)
    dark.stage.server.faults.on(NODES.path(name=WORKER), AWAY, times=SEVERAL)
    result = await apply(checked, dark.context, RolloutTimeouts(60, soak=0))
    assert {each.state for each in result.nodes} == {NodeState.DONE}
    assert any(f"{WORKER}: waits for the API server (" in each for each in dark.progress.lines)


async def test_one_that_stays_away_stops_the_run_before_anything_was_changed() -> None:
    async with acting(DARK, "pending-worker") as here:
        checked = await check(await here.plan(WORKER, SECOND), here.context)
        here.stage.server.faults.on(NODES.path(name=WORKER), AWAY)
        result = await apply(checked, here.context, RolloutTimeouts(1, soak=0))
        assert result.nodes[0].state is NodeState.UNTOUCHED
        assert "nothing was changed" in result.nodes[0].why


async def test_nodes_that_cannot_be_listed_while_judged_are_not_called_gone(
    dark: Acting,
) -> None:
    """The CSR itself could be read; the list of Nodes was refused (429, 503)."""
    checked = await check(await dark.plan(WORKER), dark.context)
    dark.stage.server.faults.on(NODES.path(), AWAY, times=SEVERAL)
    result = await apply(checked, dark.context, RolloutTimeouts(60, soak=0))
    assert [each.state for each in result.nodes] == [NodeState.DONE]
    said = "\n".join(dark.progress.lines)
    assert "waits for API server answers (" in said
    assert "no longer exists" not in said


async def test_after_a_soak_it_is_waited_for_and_one_that_stays_away_is_not_called_an_ill_node(
    dark: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_turn, "_PATIENCE", 0.0)
    checked = await check(await dark.plan(WORKER), dark.context)
    await apply(checked, dark.context, RolloutTimeouts(60, soak=0))
    async with live_cluster(dark.context) as live:
        turns = NodeTurns(checked, dark.context, RolloutTimeouts(60, soak=0), live)
        dark.stage.server.faults.on(NODES.path(name=WORKER), AWAY, times=SEVERAL)
        assert await turns.not_well(WORKER) == ""
        dark.stage.server.faults.on(NODES.path(name=WORKER), AWAY)
        said = await replace(turns, timeouts=RolloutTimeouts(1)).not_well(WORKER)
    assert said.startswith("cannot tell whether the node is healthy after soak: "), said


async def test_a_node_that_an_undo_put_back_is_not_called_ill_where_only_the_api_server_is_away(
    here: Acting,
) -> None:
    """The undo ends there all the same. Of a Node that is not there any more it can be told."""
    plan = await here.plan(WORKER, SECOND)
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
    here.stage.server.faults.on(NODES.path(name=WORKER), AWAY)
    result = await undo(plan, here.context, RolloutTimeouts(1))
    outcomes = [each.state for each in result.nodes]
    assert outcomes == [NodeState.UNKNOWN, NodeState.UNKNOWN]
    assert result.stopped == f"{WORKER} was undone; cannot tell whether it is healthy"
    here.stage.server.faults.clear()
    here.stage.server.faults.on(NODES.path(name=WORKER), GONE)
    result = await undo(plan, here.context, RolloutTimeouts(1))
    assert result.stopped == f"{WORKER} was undone and is not healthy"
