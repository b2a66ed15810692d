"""Texts for the confirmation prompt: what a run or its undo is about to do. Pure."""

from collections.abc import Collection, Mapping

from kubevouch.diagnose.make import counted, named
from kubevouch.rollout.decide.lineup import Lineup, at_once
from kubevouch.rollout.decide.plan import NodePlan, Plan, PodPlace, ordered
from kubevouch.rollout.decide.run_status import NodeState

_ROOM = "a node that only waits for metrics does not block the next node"
_NOT_CHANGED = (NodeState.DONE, NodeState.FAILED)
"""States of nodes that the run no longer changes, except to undo them."""


def why_not_applicable(plan: Plan) -> str:
    """Why the plan changes nothing although some nodes are unhealthy; otherwise empty."""
    unwell = [each for each in plan.left_out if not each.is_well]
    if plan.nodes or not unwell:
        return ""
    reasons = "; ".join(f"{each.node}: {each.reason}" for each in unwell[:3])
    more = f"; and {len(unwell) - 3} more" if len(unwell) > 3 else ""
    return f"changes nothing: the plan leaves out {counted(len(unwell), 'node')} ({reasons}{more})"


def what_is_to_be_done(
    plan: Plan, found: Mapping[str, NodeState], *, writes_config_map: bool
) -> str:
    """What the run still has to do, as the end of "This will ..."; empty if nothing."""
    left = [node for node in plan.nodes if found[node.node] not in _NOT_CHANGED]
    ill = [node.node for node in plan.nodes if found[node.node] is NodeState.FAILED]
    begun = [node for node in left if found[node.node] is NodeState.ARMED]
    change = [node for node in left if node.writes and node not in begun]
    parts = []
    if ill:
        which = "is" if len(ill) == 1 else "are"
        parts.append(f"undo {', '.join(ill)}, which this run changed and which {which} not Ready")
    if change:
        parts.append(f"change {counted(len(change), 'node')}")
    if begun:
        parts.append(f"continue this unfinished run on {counted(len(begun), 'node')}")
    if left:
        parts.append(f"approve CSRs of {counted(len(left), 'node')}")
    if writes_config_map and plan.config_map is not None:
        parts.append(f"change ConfigMap {plan.config_map.name}")
    return _listed(parts)


def in_which_order(lineup: Lineup) -> tuple[str, ...]:
    """Lines about the order: each stratum's canary and other workers, then the control-plane nodes.

    A stratum is a group of nodes with the same OS image, kubelet minor version and architecture.
    Empty if the run restarts no kubelet.
    """
    lines = []
    for stratum, (canary, *others) in lineup.strata.items():
        first = f"{canary.node} is the canary"
        if lineup.state(canary) is NodeState.DONE:
            first = f"canary {canary.node} is healthy"
        elif lineup.state(canary) is NodeState.ARMED:
            first = f"the run has already begun on the canary {canary.node}"
        follow = ""
        if others:
            soak = f"; {lineup.soak:.0f} s later " if lineup.soak else ", then "
            follow = f"{soak}{counted(len(others), 'other')}"
        lines.append(f"{stratum}: {first}{follow}")
    if any(len(nodes) > 2 for nodes in lineup.strata.values()):
        lines.append(f"the others: {_how_many_at_once(lineup.cap)}")
    if lineup.control_planes:
        names = ", ".join(each.node for each in lineup.control_planes)
        alone = ", one at a time" if len(lineup.control_planes) > 1 else ""
        lines.append(f"control-plane nodes last{alone}: {names}")
    return tuple(lines)


def _how_many_at_once(most: int) -> str:
    steps = list(dict.fromkeys(at_once(proven, most) for proven in (0, 1, 3, 8)))
    if steps == [1]:
        return f"one node restarts at a time; {_ROOM}"
    return (
        f"{', '.join(map(str, steps))} nodes restart at once until one fails, but never two if "
        f"a PodDisruptionBudget or Service cannot spare the pods of both; {_ROOM}"
    )


def how_it_is_undone(plan: Plan, found: Mapping[str, NodeState], *, writes_config_map: bool) -> str:
    """The command that undoes the run; empty if the run changes nothing that can be undone."""
    changed = writes_config_map or any(
        node.writes and found[node.node] not in _NOT_CHANGED for node in plan.nodes
    )
    return f"kubevouch undo {plan.run}" if changed else ""


def vouched_for(plan: Plan, found: Mapping[str, NodeState]) -> tuple[str, ...]:
    """A line for each node whose CSR will be approved: the allowed names and addresses, and their proofs."""
    return tuple(
        f"{node.node}: the certificate may contain {_listed_claims(node)}"
        for node in ordered(plan.nodes)
        if found[node.node] not in _NOT_CHANGED
    )


def _listed_claims(node: NodePlan) -> str:
    return ", ".join(str(claim) for claim in (*node.names, *node.addresses))


def what_is_to_be_undone(plan: Plan) -> str:
    """The end of "This will ...": what an undo of this run restores; empty if nothing."""
    changed = [node.node for node in plan.nodes if node.writes]
    parts = [f"in ConfigMap {plan.config_map.name}"] if plan.config_map is not None else []
    if changed:
        parts.append(f"on {named(changed)}")
    return f"undo what run {plan.run} has changed {_listed(parts)}" if parts else ""


def what_comes_back(plan: Plan) -> str:
    """A warning about expired certificates, for the prompt of an undo; empty if no files are restored."""
    if not any(node.writes for node in plan.nodes):
        return ""
    return (
        "undo restores the former certificates, even expired ones if it turns "
        "serverTLSBootstrap off"
    )


def what_is_set_aside(plan: Plan, put_back: Collection[str]) -> str:
    """Where an undo keeps the certificates and keys that were stored after the run began.

    put_back: the undone nodes. Empty if there are none.
    """
    roots = dict.fromkeys(node.disk.root for node in plan.nodes if node.node in put_back)
    if not roots:
        return ""
    folders = " or ".join(f"{root}/.kubevouch/{plan.run}/strays" for root in roots)
    return (
        f"{folders} on each undone node: certificates and keys that were stored "
        "after the run began, if any; you may delete them"
    )


def what_pods_are(place: PodPlace) -> str:
    """Describes the pods of a plan with --via pod. The text is the end of a sentence."""
    return (
        "privileged pods that enter the node as root, one for each script, in namespace "
        f"{place.namespace}, with image {place.image}; each is removed after its answer"
    )


def _listed(parts: list[str]) -> str:
    return (
        parts[0]
        if len(parts) == 1
        else ", ".join(parts[:-1]) + f" and {parts[-1]}"
        if parts
        else ""
    )
