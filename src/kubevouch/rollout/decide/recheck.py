"""Checks whether a node is still as planned, and what is left to do on it. Pure.

Anybody may have edited the plan's file. So the run compares what the file says about the cluster
and each node's role with the current state, and proves the nodes' names again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import AllowedNames, Claim, NameSource, allowed_names_of, confirmed
from kubevouch.rollout.decide.entitled import Neighbours, not_entitled
from kubevouch.rollout.decide.machine import (
    armed_runs,
    has_restarted,
    not_bound_by_operator,
    state_of_run,
)
from kubevouch.rollout.decide.need import Look, Rewrite, need_of
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, stands_by

NEW_PLAN = "make a new plan"
GONE = "this Node no longer exists"


@dataclass(frozen=True)
class Recheck:
    """This run's state on a planned node before this attempt changes the node.

    state: UNTOUCHED: as planned. ARMED: an earlier attempt has begun and not ended, so the run
    continues. FAILED: as ARMED, but the Node is not Ready, so the run undoes its change. DONE: the
    node needs no change. UNDONE: the run was undone on the node. UNKNOWN: the node is not as
    planned.

    why: why the run must not change this node or begin on another; empty if it may. content: the
    whole new config.yaml, if the run writes one. armed_run: the run that is armed on the node, if
    that is the reason.
    """

    state: NodeState
    why: str = ""
    content: bytes = b""
    armed_run: str = ""

    @property
    def failure(self) -> str:
        """What failed on the node, with `{}` in place of the node's name; empty if nothing failed."""
        return _FAILURES.get(self.state, "") if self.why or self.state is NodeState.FAILED else ""


_FAILURES = {
    NodeState.FAILED: "has begun on {}, whose Node is not Ready",
    NodeState.DONE: "has finished on {}, whose Node is not Ready",
    NodeState.UNDONE: "was undone on {}",
}


def not_the_node(planned: NodePlan, node: Node | None) -> str:
    """Why this Node is not the one in the plan; empty if it is."""
    if node is None:
        return GONE
    role = _ROLES[is_control_plane(node)]
    now_and_then = {
        "Node's UID": (node.uid, planned.uid),
        "machine id": (node.status.node_info.machine_id, planned.machine_id),
        "role": (role, _ROLES[planned.control_plane]),
        "kubelet's port": (node.kubelet_port, planned.port),
    }
    if why := _other_than_planned(now_and_then):
        return why
    known = {each.address for each in node.status.addresses}
    elsewhere = next((address for address in planned.dial if address not in known), "")
    return (
        f"the plan would check this node at {elsewhere}, which is not in the Node's status"
        if elsewhere
        else ""
    )


_ROLES = {True: "control plane", False: "worker"}


def _other_than_planned(now_and_then: Mapping[str, tuple[object, object]]) -> str:
    for what, (now, then) in now_and_then.items():
        if now != then:
            return f"the {what} is now {now}, but {then} in the plan"
    return ""


def why_skipped(planned: NodePlan, node: Node | None, *, begun: bool = False) -> str:
    """Why a run skips this node and continues with other nodes; empty if it does not skip the node.

    begun: whether the run has changed the node before. If so, the run finishes the node even if the
    kubelet has another version now, or the Node has more addresses.
    """
    if node is None:
        return GONE
    if not node.ready:
        return "this Node is not Ready"
    if begun or node.uid != planned.uid:
        return ""
    version = node.status.node_info.kubelet_version
    if version != planned.kubelet_version:
        return (
            f"the kubelet is {version} now, but {planned.kubelet_version} in the plan; {NEW_PLAN}"
        )
    if added := _added(planned, node):
        return f"the Node has {min(added)}, which is not in the plan; {NEW_PLAN}"
    return ""


def _added(planned: NodePlan, node: Node) -> frozenset[str]:
    """The names and addresses that the Node has gained since the plan; empty if it has lost any.

    The kubelet's CSR would request the new names, so the policy would hold the CSR. One such node
    must not stop the run on other nodes.
    """
    then = _values(planned.allowed)
    now = _values(allowed_names_of(node))
    return now - then if then < now else frozenset()


def _values(allowed: AllowedNames) -> frozenset[str]:
    return frozenset(claim.value for claim in (*allowed.names, *allowed.addresses))


def recheck(planned: NodePlan, run: str, look: Look) -> Recheck:
    """This run's state on the node, according to a survey."""
    survey, record = look.survey, state_of_run(look.survey, run)
    need = need_of(look, planned.disk.content_sha256 if has_restarted(record) else "")
    if isinstance(need, LeftOut):
        armed = {each.run.decode(errors="replace") for each in armed_runs(survey)}
        if need.armed_run and armed == {run} and planned.writes:
            return _begun(planned, run, survey)
        if need.is_well:
            return Recheck(NodeState.DONE)
    if stands_by(record) is NodeState.UNDONE:
        return Recheck(NodeState.UNDONE, f"this run was undone on this node; {NEW_PLAN}")
    if isinstance(need, LeftOut):
        return Recheck(NodeState.UNKNOWN, need.reason, armed_run=need.armed_run)
    if why := _not_as_planned(planned, record, survey, need):
        return Recheck(NodeState.UNKNOWN, why)
    return Recheck(NodeState.UNTOUCHED, content=need.content if need else b"")


def _begun(planned: NodePlan, run: str, survey: NodeSurvey) -> Recheck:
    if survey.config and survey.root and survey.pki:
        config, root, pki = survey.config[0], survey.root[0], survey.pki[0]
        paths = (config.text_path, root.text_path, pki.text_path)
        if (*paths, config.sha256) == (
            planned.disk.config,
            planned.disk.root,
            planned.disk.pki,
            planned.disk.content_sha256,
        ):
            return Recheck(NodeState.ARMED, content=config.content)
    why = (
        f"this run has begun on this node, but {planned.disk.config} does not have the content "
        f"that the run writes; to restore the node now: kubevouch undo {run} --node {planned.node}"
    )
    return Recheck(NodeState.UNKNOWN, why, armed_run=run)


def recheck_not_ready(stands: NodeState) -> Recheck | None:
    """The state of a node that is not Ready. Returns None if the run has changed nothing on it, and so skips it.

    A node that the run has changed counts as failed, since the run's restart may be the reason.
    """
    if stands in BEGUN:
        return Recheck(NodeState.FAILED)
    if stands not in (NodeState.DONE, NodeState.UNDONE):
        return None
    return Recheck(
        stands, f"this run is {stands} on this node, and the Node is not Ready; {NEW_PLAN}"
    )


def finished_only(found: Mapping[str, Recheck]) -> dict[str, str]:
    """The nodes that the run skips because it has failed on a node, and why.

    After a failure, the run finishes the armed nodes and begins on no other node. So no healthy
    node is undone because another node failed. Empty if the run has failed on no node, or if no
    node is armed.
    """
    failed = [each.failure.format(node) for node, each in found.items() if each.failure]
    if not failed or not any(each.state in BEGUN for each in found.values()):
        return {}
    only = f"this run {failed[0]}, so it only finishes what it has begun; {NEW_PLAN}"
    left = {
        node: each
        for node, each in found.items()
        if each.state is NodeState.UNTOUCHED or (each.failure and each.why)
    }
    return {node: each.why or only for node, each in left.items()}


def _not_as_planned(
    planned: NodePlan, record: str, survey: NodeSurvey, need: Rewrite | None
) -> str:
    """How the node's needs differ from the plan; empty if they do not. record: the run's state on the node."""
    if stands_by(record) is NodeState.DONE:
        return f"this run has completed on this node, which now needs another change; {NEW_PLAN}"
    if planned.writes and (
        not survey.config or survey.config[0].sha256 != planned.disk.config_sha256
    ):
        return f"{planned.disk.config} has changed since the plan; {NEW_PLAN}"
    kind = ChangeKind.BOOTSTRAP if need else ChangeKind.APPROVE
    if kind is not planned.change:
        return f"the node needs {_WORDS[kind]} now, but the plan has {_WORDS[planned.change]}; {NEW_PLAN}"
    if need is None:
        return ""
    why = _other_than_planned(
        {
            "root directory": (need.disk.root, planned.disk.root),
            "certificate directory": (need.disk.pki, planned.disk.pki),
            "configuration file": (need.disk.config, planned.disk.config),
            "new configuration's SHA-256": (need.disk.content_sha256, planned.disk.content_sha256),
        }
    )
    return f"{why}; {NEW_PLAN}" if why else ""


_WORDS = {
    ChangeKind.APPROVE: "the approval of a CSR",
    ChangeKind.BOOTSTRAP: "a change of the kubelet's configuration",
}


def not_entitled_as_planned(
    planned: NodePlan,
    live: Node,
    neighbours: Neighbours,
    proven: Mapping[str, NameSource],
    *,
    known_as: str = "",
) -> str:
    """Why the current proofs do not allow a node to have its planned names; empty if they do.

    The plan's file proves nothing. Each name must be proven now, or the operator must have
    confirmed it; `apply` shows confirmed names again before it starts. The policy holds a CSR with
    more names than planned, even if the Node claims them.

    live: the current Node. neighbours: all current nodes. proven: addresses that were proven just
    now. known_as: the host key's name in known_hosts.
    """
    said = planned.vouched
    if why := not_bound_by_operator(planned.node, planned.host, known_as, said, neighbours.nodes):
        return why
    words = (claim.value for claim in planned.names if claim.by_operator)
    allowed = confirmed(allowed_names_of(live, seen=proven), (*said, *words))
    for then, now in ((planned.names, allowed.names), (planned.addresses, allowed.addresses)):
        if why := _not_holding(then, now):
            return why
    may_have = msgspec.structs.replace(planned.allowed, control_plane=allowed.control_plane)
    return not_entitled(may_have, neighbours)


def _not_holding(then: Iterable[Claim], now: Iterable[Claim]) -> str:
    sources = {claim.value: claim.source for claim in now}
    for claim in then:
        source = sources.get(claim.value)
        if source is not claim.source and not (source and claim.source is NameSource.OPERATOR):
            return f"the plan's proof of {claim.value} ({claim.source}) no longer holds"
    return ""


def joined_since(plan: Plan, nodes: Iterable[Node]) -> tuple[LeftOut, ...]:
    """Nodes that were created after the plan."""
    known = {each.node for each in plan.nodes} | {each.node for each in plan.left_out}
    return tuple(
        LeftOut(node.name, f"the node joined the cluster after the plan was made; {NEW_PLAN}")
        for node in nodes
        if node.name not in known
        and node.metadata.creation_timestamp is not None
        and node.metadata.creation_timestamp > plan.made_at
    )


def not_accounted_for(plan: Plan, live: Iterable[str], not_well: Iterable[LeftOut]) -> str:
    """Which nodes prevent the change of the kubelet-config ConfigMap; empty if none does.

    The ConfigMap configures nodes that join later, and should match all nodes. So each node must be
    in the plan, or left out as healthy and still healthy. not_well: nodes that are no longer healthy.
    """
    planned = {each.node for each in plan.nodes}
    left_out = {each.node: each for each in plan.left_out}
    ill = {each.node for each in not_well}
    missing = []
    for name in sorted(live):
        if name in planned or (name in left_out and left_out[name].is_well and name not in ill):
            continue
        why = (
            "is not in this plan"
            if name not in left_out
            else ("is no longer healthy" if left_out[name].is_well else "is left out of this plan")
        )
        missing.append(f"{name} {why}")
    return "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" if len(missing) > 3 else "")
