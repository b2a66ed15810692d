"""A run whose Lease another one has taken ends then and there, and says whose turn it is; nothing of it has failed."""

import asyncio
import re
from dataclasses import replace

import pytest

from kubevouch.errors import ExitCode
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.lease import LeaseHold
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import NotTheHolder
from tests.rollout.acting import SECOND, THIRD, WORKER, Acting, Progress, answered
from tests.rollout.staged import an_undo, as_the_run_left_it, not_ready
from tests.rollout.test_one_run_at_a_time import a_hold, lost, taken_over
from tests.rollout.test_several_nodes_are_changed_at_once import Nodes
from tests.support.unhurried import GENEROUS, until

UNTOUCHED, _, _, UNDONE, FAILED, UNKNOWN = NodeState
TO_BOB = "bbbb"


async def is_lost(hold: LeaseHold) -> None:
    """The next renewal finds out."""
    with pytest.raises(NotTheHolder):
        await hold.confirm()


async def told(here: Acting, text: str) -> None:
    """Until whoever watches was told so."""
    await until(lambda: any(text in each for each in here.progress.lines))


async def test_between_two_nodes_it_does_not_wait_for_the_end_of_the_soak(here: Acting) -> None:
    hold = await lost(here)
    nodes = Nodes()
    run = nodes.run(here, soak=3600)
    run.context = replace(here.context, lease=hold)

    async def renewed() -> None:
        await until(lambda: run.results)
        await is_lost(hold)

    async with asyncio.timeout(GENEROUS):
        await asyncio.gather(run.run(), renewed())
    assert nodes.begun == ["w0"]
    assert "this run has lost the Lease and stops here: held by run bbbb of bob@desk" in run.stopped


async def test_a_run_that_is_through_with_its_nodes_was_not_stopped_by_it(here: Acting) -> None:
    """The ConfigMap is what is left then, and says itself why it was not written."""
    hold = await lost(here)
    await is_lost(hold)
    run = Nodes().run(here, count=0)
    run.context = replace(here.context, lease=hold)
    await run.run()
    assert run.stopped == ""


async def test_it_begins_on_no_node_and_its_result_names_the_run_that_has_it(
    here: Acting,
) -> None:
    checked = await check(await here.plan(WORKER, SECOND), here.context)
    hold = await lost(here)
    result = await apply(checked, replace(here.context, lease=hold), RolloutTimeouts(6))
    assert not [name for _, name in here.machines.ran if "transaction" in name]
    assert "run bbbb of bob@desk" in result.nodes[0].why
    assert result.lost_to == TO_BOB
    assert [each.state for each in result.nodes] == [UNTOUCHED, UNTOUCHED]
    assert result.exit_code is ExitCode.STOPPED


async def test_a_node_in_hand_is_armed_and_said_to_be_until_when(here: Acting) -> None:
    """Nobody asks it to go back, which is the other run's business; so its switch is all that there is."""
    checked = await check(await here.plan(WORKER, SECOND), here.context)
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.BEGUN, pid=4242)]
    hold = await a_hold(here)
    held = replace(here.context, lease=hold)
    running = asyncio.create_task(apply(checked, held, RolloutTimeouts(60)))
    await told(here, "waits for")
    taken_over(here)
    await is_lost(hold)
    async with asyncio.timeout(GENEROUS):
        result = await running
    scripts = [name for _, name in here.machines.ran if "transaction" in name]
    assert scripts == ["transaction (begin)"], (
        "it is not put back: the other run may be about to prove it"
    )
    node, other = result.nodes
    assert (node.state, other.state) == (NodeState.ARMED, UNTOUCHED)
    said = re.search(
        "held by run bbbb of bob@desk.*; the dead-man's switch undoes an unverified change in ([0-9]+) s, at .*, unless the node is verified first",
        node.why,
    )
    assert said, node.why
    switch = RolloutTimeouts(60).switch
    assert switch - GENEROUS < int(said[1]) <= switch + 1
    assert "this run has lost the Lease and stops here" in result.stopped
    assert result.undo == "kubevouch undo abcd"
    assert result.lost_to == TO_BOB


async def test_a_node_that_was_found_armed_is_left_to_its_switch_too(here: Acting) -> None:
    """The run goes on with it, and has lost the Lease before it comes to that."""
    plan = await here.plan(WORKER)
    as_the_run_left_it(here, plan)
    checked = await check(plan, here.context)
    hold = await lost(here)
    result = await apply(checked, replace(here.context, lease=hold), RolloutTimeouts(6))
    [it] = result.nodes
    assert it.state is NodeState.ARMED
    assert re.search(
        r"the dead-man's switch undoes an unverified change in \d+ s, at .*, unless the node is",
        it.why,
    )


class TakenOver(Progress):
    """Bob's run takes the Lease at the moment at which a node has ended."""

    def __init__(self, here: Acting) -> None:
        super().__init__()
        self._here = here

    def ended(self, node: str, text: str) -> None:
        taken_over(self._here)


async def test_an_undo_asks_no_node_after_the_one_at_which_it_is_lost(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND, THIRD)
    context = replace(here.context, lease=await a_hold(here), progress=TakenOver(here))
    result = await undo(plan, context, RolloutTimeouts(60))
    assert [each.state for each in result.nodes] == [UNDONE, FAILED, UNKNOWN]
    assert (result.lost_to, result.interrupted) == (TO_BOB, False)
    assert "held by run bbbb of bob@desk" in result.stopped
    assert THIRD not in {host for host, _ in here.machines.ran}
    assert [host for host, name in here.machines.ran if "transaction" in name] == [WORKER]


async def test_an_undo_that_waits_for_a_node_to_be_well_ends_there_and_then(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND)
    here.change("Node", WORKER, not_ready)
    hold = await a_hold(here)
    running = asyncio.create_task(
        undo(plan, replace(here.context, lease=hold), RolloutTimeouts(3600))
    )
    await told(here, "waits for a healthy kubelet (the Node is not Ready")
    taken_over(here)
    await is_lost(hold)
    async with asyncio.timeout(GENEROUS):
        result = await running
    node, other = result.nodes
    assert (node.state, other.state) == (UNKNOWN, UNKNOWN)
    assert node.why.startswith("undone, but stopped waiting for the node to become healthy: Lease ")
    assert result.lost_to == TO_BOB
    assert "this run has lost the Lease and stops here" in result.stopped
    assert SECOND not in {host for host, _ in here.machines.ran}
