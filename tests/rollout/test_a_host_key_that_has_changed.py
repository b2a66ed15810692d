"""The ssh host key of a node is another one than in the plan: nothing is done there, and what leads on does not lead in a circle."""

import pytest

from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, live_target, planned_target
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.advice import WayToNodes
from kubevouch.rollout.decide.next_for_status import StatusFacts, exit_code_of, next_for_status
from kubevouch.rollout.decide.next_step import next_after_undo
from kubevouch.rollout.decide.run_status import NodeState
from tests.rollout.acting import SECOND, WORKER, Acting
from tests.rollout.staged import QUICK, an_undo

NEW = "ssh-ed25519 SHA256:new"
SAID = (
    f"another ssh host key answers: {NEW}; ssh-ed25519 SHA256:{WORKER} is the plan's; if you know that this machine has "
    "another one now, put that in its place in the plan"
)


def sent_to(here: Acting, node: str) -> set[str]:
    return {script for host, script in here.machines.ran if host == node}


async def test_an_undo_leaves_that_node_and_says_what_makes_it_possible(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND)
    here.machines.by_name[WORKER].host_key = NEW
    here.machines.ran.clear()
    result = await undo(plan, here.context, QUICK)
    ended = {each.node: each for each in result.nodes}
    assert ended[WORKER].state is NodeState.FAILED
    assert ended[WORKER].why == f"{WORKER}: {SAID}"
    assert ended[SECOND].state is NodeState.UNDONE
    assert sent_to(here, WORKER) == {"survey"}
    step = next_after_undo(result, ["again"])
    assert step.command == "kubevouch status abcd", "the same again would come to the same"


async def test_a_status_by_the_plan_leads_to_one_by_the_operators_own_ssh(here: Acting) -> None:
    plan = await here.plan(WORKER, SECOND)
    here.machines.by_name[WORKER].host_key = NEW
    targets = [planned_target(each) for each in plan.nodes]
    rows = await gather_statuses(targets, "abcd", here.machines)
    live = await here.context.api.get(NODES, WORKER)
    by_own_ssh = await gather_statuses([live_target(live)], "", here.machines)
    [worker] = [each for each in rows if each.node == WORKER]
    assert (worker.state, worker.notes) == (NodeState.UNKNOWN, (f"{WORKER}: {SAID}",))
    assert exit_code_of(rows) == 3
    way = WayToNodes(ssh_config="/etc/config", ssh_user="ops")
    found = next_for_status(StatusFacts(rows, "abcd", kept={"abcd"}, way=way))
    flags = "--ssh-config /etc/config --ssh-user ops"
    assert found.command == f"kubevouch status --nodes {WORKER} {flags}"
    assert "whichever key your own ssh knows it by" in found.note
    assert [each.state for each in by_own_ssh] == [NodeState.UNTOUCHED]


async def test_a_key_that_changes_before_the_nodes_turn_leaves_it_as_it_is(
    here: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited at its question."""
    monkeypatch.setattr("kubevouch.rollout.act.check._FRESH", -1.0)
    checked = await check(await here.plan(WORKER), here.context)
    here.machines.by_name[WORKER].host_key = NEW
    [ended] = (await apply(checked, here.context, QUICK)).nodes
    assert ended.state is NodeState.UNTOUCHED
    assert ended.why == f"{WORKER}: {SAID}; nothing was changed"
    assert "transaction (begin)" not in sent_to(here, WORKER)
