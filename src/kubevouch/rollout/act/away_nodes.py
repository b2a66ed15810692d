"""Nodes of a plan that are away: not Ready, or by what their Node says their kubelet has another version, or they have more addresses.

A run goes without them, but for those on which it has itself begun. It goes past none of these: that such a node is not Ready is a
failure of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.kube.errors import NotFound
from kubevouch.kube.resources import NODES, Node
from kubevouch.policy.csr import NODE_USER
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import approved_by_run
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.plan import ChangeKind, LeadsOn, LeftOut, NodePlan, Plan
from kubevouch.rollout.decide.recheck import Recheck, recheck_not_ready
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, RunOnNode
from kubevouch.rollout.errors import StoppedBefore

_PATIENCE = 15.0
"""Seconds in which a node that was restarted a moment ago may become Ready."""

_LOOKED_AT = (*BEGUN, NodeState.UNDONE)
"""A Ready node on which the run stands so is looked at like any other of the plan."""


@dataclass(frozen=True)
class AwayNodes:
    """left_out: those that the run goes without. failures: what it finds of those that it has begun, and that are not Ready, by name.

    A node that is in neither is looked at like any other of the plan: the run has begun on it, and it is Ready or has become so.
    """

    left_out: tuple[LeftOut, ...]
    failures: dict[str, Recheck]


async def look_at_away_nodes(
    plan: Plan,
    nodes: Sequence[Node],
    away: Sequence[LeftOut],
    context: RolloutContext,
    *,
    goes_on: bool,
) -> AwayNodes:
    """Asks those on which the run may have begun how it stands there. goes_on: it was begun from this machine before.

    Raises:
        StoppedBefore: the run has begun on one, and it cannot be asked how it stands there.
    """
    live = {node.name: node for node in nodes}
    names = {each.node for each in away}
    asked = [
        planned_target(each)
        for each in plan.nodes
        if each.node in names and _may_be_begun(each, live.get(each.node))
    ]
    statuses = await gather_statuses(asked, plan.run, context.transport)
    failures: dict[str, Recheck] = {}
    as_any_other = set()
    for status in statuses:
        node = live[status.node]
        if status.state is NodeState.UNKNOWN:
            if goes_on or await _has_approved(status.node, plan.run, context):
                raise _cannot_tell(status, _how_it_is(node))
        elif await _is_as_any_other(status, node, context):
            as_any_other.add(node.name)
        elif not node.ready and (seen := recheck_not_ready(status.state)):
            failures[node.name] = seen
    kept = {*failures, *as_any_other}
    return AwayNodes(tuple(each for each in away if each.node not in kept), failures)


async def _is_as_any_other(status: RunOnNode, node: Node, context: RolloutContext) -> bool:
    """Whether the run has begun on it, and it is Ready: one that is armed is given some time for that."""
    if node.ready:
        return status.state in _LOOKED_AT
    return status.state in BEGUN and await _becomes_ready(node.name, context)


def _may_be_begun(planned: NodePlan, live: Node | None) -> bool:
    """Whether it is the Node of the plan, on which the run writes. What else it says of itself proves nothing: its kubelet writes that."""
    is_it = live is not None and live.uid == planned.uid
    return is_it and planned.change is ChangeKind.BOOTSTRAP


def _how_it_is(live: Node) -> str:
    return "its Node is not as planned" if live.ready else "its Node is not Ready"


async def _becomes_ready(name: str, context: RolloutContext) -> bool:
    began = context.clock.monotonic()
    while True:
        try:
            if (await context.api.get(NODES, name)).ready:
                return True
        except NotFound:
            return False
        if context.clock.monotonic() - began > _PATIENCE:
            return False
        context.progress.waiting(name, "its Node to be Ready: this run has begun on it")
        await context.clock.sleep(1)


async def _has_approved(node: str, run: str, context: RolloutContext) -> bool:
    """Whether the run has approved a CSR of that node, and so has begun there."""
    csrs = await list_csrs(context.api)
    own = (each for each in csrs if each.spec.username == f"{NODE_USER}{node}")
    return any(approved_by_run(each, run) for each in own)


def _cannot_tell(status: RunOnNode, how: str) -> StoppedBefore:
    """how: how its Node is."""
    why = "; ".join(status.notes)
    seen = f"this run may have begun on it, {how}, and how it stands there cannot be asked: {why}"
    return StoppedBefore(status.node, seen, "or a new plan without it", way=LeadsOn.REACH)
