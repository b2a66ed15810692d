"""Where nothing is begun, a run waits for an API server that does not answer; and says so where it cannot tell."""

from dataclasses import replace

import pytest

from kubevouch.kube.io.http_client import ATTEMPTS
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act import node_turn
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.live_cluster import live_cluster
from kubevouch.rollout.act.node_turn import NodeTurns
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch_lab.apiserver import status
from tests.support.scripted import faults

from .acting import DARK, SECOND, WORKER, Acting, acting, answered

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


async def test_nodes_that_cannot_be_listed_while_a_csr_is_judged_are_not_said_to_be_gone(
    dark: Acting,
) -> None:
    """The CSR itself could be read; the list of Nodes was refused (429, 503)."""
    checked = await check(await dark.plan(WORKER), dark.context)
    dark.stage.server.faults.on(NODES.path(), AWAY, times=SEVERAL)
    result = await apply(checked, dark.context, RolloutTimeouts(60, soak=0))
    assert [each.state for each in result.nodes] == [NodeState.DONE]
    said = "\n".join(dark.progress.lines)
    assert "waits for API server answers (" in said
    assert "not there any more" not in said


async def test_after_a_soak_it_is_waited_for_and_one_that_stays_away_is_not_called_an_ill_node(
    dark: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_turn, "_PATIENCE", 0.0)
    checked = await check(await dark.plan(WORKER), dark.context)
    await apply(checked, dark.context, RolloutTimeouts(60, soak=0))
    nodes = {each.plan.node: each for each in checked.nodes}
    async with live_cluster(dark.context) as live:
        turns = NodeTurns(nodes, {}, checked, dark.context, RolloutTimeouts(60, soak=0), live)
        dark.stage.server.faults.on(NODES.path(name=WORKER), AWAY, times=SEVERAL)
        assert await turns.not_well(WORKER) == ""
        dark.stage.server.faults.on(NODES.path(name=WORKER), AWAY)
        said = await replace(turns, timeouts=RolloutTimeouts(1)).not_well(WORKER)
    assert said.startswith("whether it is well after its soak could not be seen: "), said


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
    assert result.stopped == f"{WORKER} was put back; whether it is well could not be told"
    here.stage.server.faults.clear()
    here.stage.server.faults.on(NODES.path(name=WORKER), GONE)
    result = await undo(plan, here.context, RolloutTimeouts(1))
    assert result.stopped == f"{WORKER} was put back and is not well"
