"""What a run or its undo is about to do, in the words of the prompt. Nothing is promised that will not be. Pure."""

from collections.abc import Collection, Mapping

from kubevouch.diagnose.make import counted
from kubevouch.rollout.decide.lineup import Lineup, at_once
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan, PodPlace, ordered
from kubevouch.rollout.decide.run_status import NodeState

_ROOM = "one of which only the next metrics sample is missing makes room for the next"
_NOT_CHANGED = (NodeState.DONE, NodeState.FAILED)
"""What is found of nodes on which the run does nothing, or only puts them back."""


def why_not_applicable(plan: Plan) -> str:
    """Why there is nothing in this plan to carry out although not all is well; empty if there is, or all is well."""
    unwell = [each for each in plan.left_out if not each.is_well]
    if plan.nodes or not unwell:
        return ""
    reasons = "; ".join(f"{each.node}: {each.reason}" for each in unwell[:3])
    more = f"; and {len(unwell) - 3} more" if len(unwell) > 3 else ""
    return f"changes nothing: it leaves out {counted(len(unwell), 'node')} ({reasons}{more})"


def what_is_to_be_done(
    plan: Plan, found: Mapping[str, NodeState], *, writes_config_map: bool
) -> str:
    """For "This will ...": what is left to do of this plan. Empty if nothing is."""
    left = [node for node in plan.nodes if found[node.node] not in _NOT_CHANGED]
    ill = [node.node for node in plan.nodes if found[node.node] is NodeState.FAILED]
    begun = [node for node in left if found[node.node] is NodeState.ARMED]
    change = [node for node in left if node.change is ChangeKind.BOOTSTRAP and node not in begun]
    parts = []
    if ill:
        which = "is" if len(ill) == 1 else "are"
        parts.append(
            f"put back {', '.join(ill)}, which this run has begun and which {which} not Ready"
        )
    if change:
        parts.append(f"change {counted(len(change), 'node')}")
    if begun:
        parts.append(
            f"go on with this run, which is not finished, on {counted(len(begun), 'node')}"
        )
    if left:
        each = "its node" if len(left) == 1 else f"each of {len(left)} nodes"
        parts.append(f"approve one CSR of {each}")
    if writes_config_map and plan.config_map is not None:
        parts.append(f"change ConfigMap {plan.config_map.name}")
    return _listed(parts)


def in_which_order(lineup: Lineup) -> tuple[str, ...]:
    """A line a stratum with its canary, then how the others follow, and the control planes. Empty if nothing is restarted."""
    lines = []
    for stratum, (canary, *others) in lineup.strata.items():
        first = f"{canary.node} first"
        if canary.state is NodeState.DONE:
            first = f"{canary.node} is well"
        elif canary.state is NodeState.ARMED:
            first = f"{canary.node} first, which is begun"
        follow = ""
        if others:
            soak = f"; when it has soaked for {lineup.soak:.0f} s, " if lineup.soak else ", then "
            follow = f"{soak}{counted(len(others), 'other')}"
        lines.append(f"{stratum}: {first}{follow}")
    if any(len(nodes) > 2 for nodes in lineup.strata.values()):
        lines.append(f"the others: {_how_many_at_once(lineup.cap)}")
    if lineup.control_planes:
        names = ", ".join(each.node for each in lineup.control_planes)
        alone = ", one at a time" if len(lineup.control_planes) > 1 else ""
        lines.append(f"control planes last{alone}: {names}")
    return tuple(lines)


def _how_many_at_once(most: int) -> str:
    steps = list(dict.fromkeys(at_once(proven, most) for proven in (0, 1, 3, 8)))
    if steps == [1]:
        return f"one restarts at a time; {_ROOM}"
    return (
        f"{', '.join(map(str, steps))} restart at once, as long as they do well, and never two that hold the last of a "
        f"PodDisruptionBudget or a Service; {_ROOM}"
    )


def how_it_is_undone(plan: Plan, found: Mapping[str, NodeState], *, writes_config_map: bool) -> str:
    """The command that undoes what is to be done; empty if nothing would be there to undo."""
    changed = writes_config_map or any(
        node.change is ChangeKind.BOOTSTRAP and found[node.node] not in _NOT_CHANGED
        for node in plan.nodes
    )
    return f"kubevouch undo {plan.run}" if changed else ""


def vouched_for(plan: Plan, found: Mapping[str, NodeState]) -> tuple[str, ...]:
    """A line a node whose CSR will be approved: each name and address that the certificate may have, and how we know."""
    return tuple(
        f"{node.node} may have {_listed_claims(node)}"
        for node in ordered(plan.nodes)
        if found[node.node] not in _NOT_CHANGED
    )


def _listed_claims(node: NodePlan) -> str:
    return ", ".join(str(claim) for claim in (*node.names, *node.addresses))


def what_is_to_be_undone(plan: Plan) -> str:
    """For "This will ...": what an undo of this run puts back. Empty if the run changed nothing that can be put back."""
    changed = [node for node in plan.nodes if node.change is ChangeKind.BOOTSTRAP]
    parts = [f"in ConfigMap {plan.config_map.name}"] if plan.config_map is not None else []
    if changed:
        parts.append(f"on the {counted(len(changed), 'node')} that its plan changes")
    return f"put back what run {plan.run} has changed {_listed(parts)}" if parts else ""


def what_comes_back(plan: Plan) -> str:
    """What an undo of this run brings back that may surprise somebody, for the prompt; empty if nothing of the kind."""
    if not any(node.change is ChangeKind.BOOTSTRAP for node in plan.nodes):
        return ""
    return "the former certificates come back, expired ones, too"


def what_is_set_aside(plan: Plan, put_back: Collection[str]) -> str:
    """Where an undo keeps what the kubelets of these nodes have got since the run, and what may become of it; empty if it was none."""
    roots = dict.fromkeys(node.disk.root for node in plan.nodes if node.node in put_back)
    if not roots:
        return ""
    folders = " or ".join(f"{root}/.kubevouch/{plan.run}/strays" for root in roots)
    return (
        f"{folders} on each node that was put back: what its kubelet got since the run, with its keys, if it got anything; "
        "nothing reads it any more, and it may be removed"
    )


def what_pods_are(place: PodPlace) -> str:
    """What runs where in a plan that goes by pod, for a sentence."""
    return (
        f"privileged pods that enter the node as root, one for each script, in the namespace {place.namespace}, of the image "
        f"{place.image}; each is removed once it has answered"
    )


def _listed(parts: list[str]) -> str:
    return (
        parts[0]
        if len(parts) == 1
        else ", ".join(parts[:-1]) + f" and {parts[-1]}"
        if parts
        else ""
    )
