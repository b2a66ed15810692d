"""What is planned for a scripted cluster with real TLS, which nodes are left out, and why."""

import pytest

from kubevouch.errors import UsageError
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.decide.plan import ChangeKind

from .acting import MASTER, SECOND, THIRD, WORKER, Acting
from .staged import not_ready, of

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
    assert "does not look at 3 nodes" in plan.config_map_note
    with pytest.raises(UsageError, match="no such Node"):
        await here.plan("k8s-worker-9")


async def test_nodes_that_cannot_be_planned_for_are_left_out_with_their_reason(
    here: Acting,
) -> None:
    here.machines.by_name[WORKER].away = True
    here.change("Node", SECOND, not_ready)
    plan = await here.plan()
    reasons = {each.node: each.reason for each in plan.left_out}
    assert "connection timed out" in reasons[WORKER]
    assert reasons[SECOND] == "it is NotReady"
    assert "leaves out 2 nodes" in plan.config_map_note
