"""A plan that was made before its form had all of today's fields: it is read, and nothing is taken for known that it does not say.

`plans/without-runs-before.json` was written by such a version, for the cluster of these tests.
"""

import json
from pathlib import Path

import msgspec
import pytest

from kubevouch.errors import UsageError
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.plan import SCHEMA, Plan, only_nodes
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.recheck import FoundState
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult
from kubevouch.rollout.decide.run_status import Standing
from kubevouch.rollout.decide.transaction import TransactionState
from tests.rollout.acting import SECOND, SELF_SIGNED, WORKER, Acting, acting, answered
from tests.rollout.staged import QUICK, a_run

OLD = Path(__file__).parent / "plans" / "without-runs-before.json"


async def old_plan(here: Acting) -> Plan:
    """Of that version, with this test's ports and API server."""
    now = await here.plan(WORKER, SECOND)
    plan = plan_in(OLD.read_bytes(), str(OLD))
    ports = {each.node: each.port for each in now.nodes}
    nodes = tuple(msgspec.structs.replace(each, port=ports[each.node]) for each in plan.nodes)
    return msgspec.structs.replace(plan, cluster=now.cluster, nodes=nodes)


def stands(here: Acting, plan: Plan, runs: list[tuple[str, str]], digest: str) -> None:
    """On the worker: these runs, and its file as before the plan's change, after it, or another."""
    [node, _] = plan.nodes
    sums = {"before": node.config_sha256, "after": node.content_sha256, "other": "00"}
    machine = here.machines.by_name[WORKER]
    machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
    [file] = machine.survey.config
    machine.survey = msgspec.structs.replace(
        machine.survey,
        runs=tuple(a_run(*each) for each in runs),
        config=(msgspec.structs.replace(file, sha256=sums[digest]),),
    )


async def undone(here: Acting, plan: Plan) -> NodeResult:
    [found] = (await undo(only_nodes(plan, [WORKER]), here.context, QUICK)).nodes
    return found


def test_it_is_read_and_says_so_of_what_it_does_not_know() -> None:
    plan = plan_in(OLD.read_bytes(), str(OLD))
    assert [each.runs_before for each in plan.nodes] == [None, None]
    kept = plan_in(text_of(plan).encode(), "the copy that a run keeps")
    assert kept == plan


@pytest.mark.parametrize(
    ("digest", "outcome", "why"),
    [
        # The file is the plan's: whatever that run has done, it has done it before, or it is gone.
        ("before", NodeOutcome.UNDONE, "it was undone before"),
        ("after", NodeOutcome.STOPPED, "whether that was before this run or after it"),
        # Edited by somebody else, and off: nothing of that run's is in it.
        ("other", NodeOutcome.UNDONE, "serverTLSBootstrap is not on in it"),
    ],
)
async def test_of_a_run_that_may_be_an_earlier_one_undo_does_not_say_that_it_came_later(
    digest: str, outcome: NodeOutcome, why: str
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await old_plan(here)
        stands(here, plan, [("ffff", "committed"), ("abcd", "undone")], digest)
        found = await undone(here, plan)
        assert (found.outcome, why in found.why) == (outcome, True), found
        assert found.later_run == "", "an undo of that one might take back what was before"
        assert "kubevouch undo ffff" not in found.why


async def test_a_run_that_is_armed_has_come_later_also_by_such_a_plan() -> None:
    """No plan changes a node on which another run is armed."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await old_plan(here)
        stands(here, plan, [("ffff", "restarted"), ("abcd", "undone")], "before")
        found = await undone(here, plan)
        assert (found.outcome, found.later_run) == (NodeOutcome.STOPPED, "ffff"), found


@pytest.mark.parametrize(
    ("runs", "digest", "outcome", "why"),
    [
        ([("ffff", "committed")], "before", NodeOutcome.NOT_CHANGED, "has not changed this node"),
        ([("ffff", "committed")], "after", NodeOutcome.UNKNOWN, "before this run or after it"),
        ([("ffff", "undone")], "after", NodeOutcome.UNKNOWN, "look at it yourself"),
        ([(each * 4, "undone") for each in "123"], "before", NodeOutcome.UNKNOWN, "3 newer runs"),
    ],
)
async def test_that_the_run_left_nothing_there_is_said_with_proof_only(
    runs: list[tuple[str, str]], digest: str, outcome: NodeOutcome, why: str
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await old_plan(here)
        stands(here, plan, runs, digest)
        found = await undone(here, plan)
        assert (found.outcome, found.later_run, why in found.why) == (outcome, "", True), found


async def test_where_it_stands_is_read_off_the_nodes_and_it_is_gone_on_with() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await old_plan(here)
        stands(here, plan, [("abcd", "restarted")], "after")
        statuses = await gather_statuses(
            map(planned_target, plan.nodes), plan.run, here.context.transport
        )
        assert [each.standing for each in statuses] == [Standing.ARMED, Standing.NONE]
        checked = await check(plan, here.context)
        assert checked.found == {WORKER: FoundState.BEGUN, SECOND: FoundState.AS_PLANNED}


def test_a_plan_of_a_later_form_is_called_that_whatever_stands_in_it() -> None:
    """Its nodes may have any form: what it is, and which version reads it, is said all the same."""
    later = json.dumps({"schemaVersion": "kubevouch.plan/2", "made_by": "7.1", "nodes": {}})
    with pytest.raises(UsageError) as refused:
        plan_in(later.encode(), "plan.json")
    said = str(refused.value)
    assert "is a plan of another form, kubevouch.plan/2, made by kubevouch 7.1" in said
    assert f"{SCHEMA} was expected" in said
    assert "go on with its run, or undo it, by the version that made it" in said
