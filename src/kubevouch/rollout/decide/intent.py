"""What a run or its undo is about to do, in the words of the prompt. Nothing is promised that will not be. Pure."""

from collections.abc import Mapping

from kubevouch.diagnose.make import counted
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan, ordered
from kubevouch.rollout.decide.recheck import FoundState


def why_not_applicable(plan: Plan) -> str:
    """Why there is nothing in this plan to carry out although not all is well; empty if there is, or all is well."""
    unwell = [each for each in plan.left_out if not each.is_well]
    if plan.nodes or not unwell:
        return ""
    reasons = "; ".join(f"{each.node}: {each.reason}" for each in unwell[:3])
    more = f"; and {len(unwell) - 3} more" if len(unwell) > 3 else ""
    return f"changes nothing: it leaves out {counted(len(unwell), 'node')} ({reasons}{more})"


def what_is_to_be_done(
    plan: Plan, found: Mapping[str, FoundState], *, writes_config_map: bool
) -> str:
    """For "This will ...": what is left to do of this plan. Empty if nothing is."""
    left = [node for node in plan.nodes if found[node.node] is not FoundState.WELL]
    begun = [node for node in left if found[node.node] is FoundState.BEGUN]
    change = [node for node in left if node.change is ChangeKind.BOOTSTRAP and node not in begun]
    parts = []
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


def how_it_is_undone(plan: Plan, found: Mapping[str, FoundState]) -> str:
    """The command that undoes what is to be done; empty if nothing would be there to undo."""
    changed = any(
        node.change is ChangeKind.BOOTSTRAP and found[node.node] is not FoundState.WELL
        for node in plan.nodes
    )
    return f"kubevouch undo {plan.run}" if changed else ""


def vouched_for(plan: Plan, found: Mapping[str, FoundState]) -> tuple[str, ...]:
    """A line a node whose CSR will be approved: each name and address that the certificate may have, and how we know."""
    return tuple(
        f"{node.node} may have {_listed_claims(node)}"
        for node in ordered(plan.nodes)
        if found[node.node] is not FoundState.WELL
    )


def _listed_claims(node: NodePlan) -> str:
    return ", ".join(str(claim) for claim in (*node.names, *node.addresses))


def what_is_to_be_undone(plan: Plan) -> str:
    """For "This will ...": what an undo of this run puts back. Empty if the run changed nothing that can be put back."""
    parts = []
    if plan.config_map is not None:
        parts.append(f"ConfigMap {plan.config_map.name}")
    if changed := [node for node in plan.nodes if node.change is ChangeKind.BOOTSTRAP]:
        parts.append(counted(len(changed), "node"))
    return f"put {_listed(parts)} of run {plan.run} back to what they were" if parts else ""


def _listed(parts: list[str]) -> str:
    return (
        parts[0]
        if len(parts) == 1
        else ", ".join(parts[:-1]) + f" and {parts[-1]}"
        if parts
        else ""
    )
