"""What is planned for a scripted cluster with real TLS, which nodes are left out and why, and where a person can do what the reason says."""

from typing import Any

import pytest

from kubevouch.errors import UsageError
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.plan import ChangeKind, only_nodes
from kubevouch.rollout.errors import LeadsOn, StoppedBefore

from .acting import MASTER, SECOND, THIRD, WORKER, Acting
from .staged import a_run, not_ready, of

ALL = {WORKER, SECOND, THIRD, MASTER}


async def test_a_plan_of_a_cluster_that_signs_its_own(here: Acting) -> None:
    plan = await here.plan()
    assert {each.node for each in plan.nodes} == ALL
    assert {each.change for each in plan.nodes} == {ChangeKind.BOOTSTRAP}
    assert [each.control_plane for each in plan.nodes if each.node == MASTER] == [True]
    assert plan.config_map is not None
    assert any("no approver runs here" in each for each in plan.notices)
    assert all(each.source is not NameSource.NODE_STATUS for each in of(plan, WORKER).addresses)


async def test_a_plan_of_some_nodes_leaves_the_config_map_alone(here: Acting) -> None:
    plan = await here.plan(WORKER)
    assert [each.node for each in plan.nodes] == [WORKER]
    assert plan.config_map is None
    assert "does not cover 3 nodes" in plan.config_map_note
    with pytest.raises(UsageError, match="no such Node"):
        await here.plan("k8s-worker-9")


async def test_nodes_that_cannot_be_planned_for_are_left_out_and_told_why(
    here: Acting,
) -> None:
    here.machines.by_name[WORKER].away = True
    here.change("Node", SECOND, not_ready)
    plan = await here.plan()
    reasons = {each.node: each.reason for each in plan.left_out}
    assert "connection timed out" in reasons[WORKER]
    assert reasons[SECOND] == "it is NotReady"
    assert "leaves out 2 nodes" in plan.config_map_note


async def test_a_plan_a_status_and_a_check_know_the_host_asked_in_vain(
    here: Acting,
) -> None:
    plan = await here.plan(WORKER, SECOND, THIRD)
    here.machines.by_name[WORKER].away = True
    here.machines.by_name[SECOND].rootless = True
    here.machines.by_name[THIRD].mute = True
    found = await gather_statuses(map(planned_target, plan.nodes), plan.run, here.context.transport)
    asked = [(each.host, each.leads_on) for each in found]
    why = (LeadsOn.REACH, LeadsOn.ROOT, LeadsOn.NODE)
    assert asked == list(zip((WORKER, SECOND, THIRD), why, strict=True))
    left_out = (await here.plan(WORKER, SECOND, THIRD)).left_out
    assert asked == [(each.host, each.leads_on) for each in left_out]
    for node, way in asked:
        with pytest.raises(StoppedBefore) as stopped:
            await check(only_nodes(plan, [node]), here.context)
        assert (stopped.value.where, stopped.value.way) == (node, way)


async def test_a_plan_knows_that_another_machine_answered_and_what_is_armed(
    here: Acting,
) -> None:
    first, second = here.machines.by_name[WORKER], here.machines.by_name[SECOND]
    first.says(machine_id=b"another")
    second.says(runs=(a_run("eeee", "restarted"),))
    one, other = (await here.plan(WORKER, SECOND)).left_out
    assert (one.leads_on, one.host, one.armed_run) == (LeadsOn.REACH, WORKER, "")
    assert (other.leads_on, other.armed_run) == (LeadsOn.NEW_PLAN, "eeee")


async def test_a_plan_knows_where_a_person_can_do_what_its_reason_says(here: Acting) -> None:
    """The same plan once more came next, which would leave out the same nodes."""
    first = here.machines.by_name[WORKER]
    first.says(clock=first.survey.clock + 600)
    here.change("Node", SECOND, lambda node: _with(node, "nodeInfo", operatingSystem="windows"))
    addresses = [{"type": "InternalIP", "address": f"10.9.0.{n}"} for n in range(100)]
    here.change(
        "Node",
        THIRD,
        lambda node: {**node, "status": {**node["status"], "addresses": addresses}},
    )
    plan = await here.plan(WORKER, SECOND, THIRD)
    said = {each.node: (each.leads_on, each.host) for each in plan.left_out}
    assert said == {
        WORKER: (LeadsOn.NODE, WORKER),
        SECOND: (LeadsOn.NOTHING, ""),
        THIRD: (LeadsOn.STATUS, ""),
    }


def _with(node: Any, part: str, **fields: str) -> Any:
    status = node["status"]
    return {**node, "status": {**status, part: {**status[part], **fields}}}
