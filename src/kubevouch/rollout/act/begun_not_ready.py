"""Nodes that a run would go without: on which of them has this very run begun? It goes past none of those.

Such a node is not Ready, which is a failure of the run, or its kubelet has another version by what its Node says.
"""

from collections.abc import Collection, Sequence

from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.kube.errors import NotFound
from kubevouch.kube.resources import NODES, Node
from kubevouch.policy.csr import NODE_USER
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import approved_by_run
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan
from kubevouch.rollout.decide.recheck import Recheck, recheck_not_ready
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.errors import StoppedBefore, WayOn

_PATIENCE = 15.0
"""Seconds in which a node that was restarted a moment ago may become Ready."""

_LOOKED_AT = (Standing.ARMED, Standing.UNDONE)
"""A Ready node on which the run stands so is looked at like any other of the plan."""


async def begun_and_not_ready(
    plan: Plan,
    nodes: Sequence[Node],
    away: Sequence[LeftOut],
    known: Collection[str],
    context: RolloutContext,
) -> tuple[tuple[LeftOut, ...], dict[str, Recheck]]:
    """Of those that the run would go without: which it still goes without, and what is found of those that it has changed.

    A node is in neither if it was found begun, and is Ready or has become so meanwhile: it is looked at like any other. known: on which it was begun by what this machine
    has kept.

    Raises:
        StoppedBefore: the run has begun on one, and it cannot be asked how it stands there.
    """
    live = {node.name: node for node in nodes}
    left = {each.node for each in away}
    asked = {
        each.node: each
        for each in plan.nodes
        if each.node in left and _may_be_begun(each, live.get(each.node))
    }
    statuses = await gather_statuses(
        map(planned_target, asked.values()), plan.run, context.transport
    )
    found: dict[str, Recheck] = {}
    ready_again = set()
    for status in statuses:
        if status.standing is Standing.UNKNOWN:
            how = _how_it_is(live[status.node])
            await _refuse_if_begun(status, plan.run, known, how, context)
        elif live[status.node].ready:
            if status.standing in _LOOKED_AT:
                ready_again.add(status.node)
        elif (seen := recheck_not_ready(status.standing)) is None:
            continue
        elif status.standing is Standing.ARMED and await _becomes_ready(status.node, context):
            ready_again.add(status.node)
        else:
            found[status.node] = seen
    return tuple(each for each in away if each.node not in {*found, *ready_again}), found


def _may_be_begun(planned: NodePlan, live: Node | None) -> bool:
    """Whether it is the Node of the plan, on which the run writes. What else it says of itself proves nothing: its kubelet writes that."""
    is_it = live is not None and live.uid == planned.uid
    return is_it and planned.change is ChangeKind.BOOTSTRAP


def _how_it_is(live: Node) -> str:
    return "its kubelet is not of the plan's version" if live.ready else "its Node is not Ready"


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


async def _refuse_if_begun(
    status: RunOnNode, run: str, known: Collection[str], how: str, context: RolloutContext
) -> None:
    """Raises StoppedBefore where this machine, or a CSR that the run has approved, knows that it has begun there. how: how its Node is."""
    user = f"{NODE_USER}{status.node}"
    csrs = [each for each in await list_csrs(context.api) if each.spec.username == user]
    if status.node not in known and not any(approved_by_run(each, run) for each in csrs):
        return
    why = "; ".join(status.notes)
    seen = f"this run has begun on it, {how}, and how it stands there cannot be asked: {why}"
    raise StoppedBefore(status.node, seen, way=WayOn.REACH)
