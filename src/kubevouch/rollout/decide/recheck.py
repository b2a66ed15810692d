"""Before the first write: is a node still as planned, and what is left to do on it? Pure.

Anybody may have written the plan's file. So its claims about the cluster, a node's role and its
names are compared with what is seen now, or proven again. Nothing is taken on trust.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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
from kubevouch.rollout.decide.need import MachineFacts, Rewrite, need_of
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, stands_by

NEW_PLAN = "make a new plan"
GONE = "this Node no longer exists"


@dataclass(frozen=True)
class Recheck:
    """How this run is found on a planned node.

    untouched: as planned. armed: the run died there, and continues. failed: the same, but its Node
    is not Ready, so the run puts it back. done: it needs nothing.

    why: why the run may not touch it, which also stops all other nodes. If the state is unknown,
    the node is not as planned. content: the whole new config.yaml, if one is to be written.
    armed_run: the run that is armed on it, if that is why.
    """

    state: NodeState
    why: str = ""
    content: bytes = b""
    armed_run: str = ""

    @property
    def failure(self) -> str:
        """What failed on the node, with `{}` for its name; empty if nothing has."""
        return _FAILURES.get(self.state, "") if self.why or self.state is NodeState.FAILED else ""


_FAILURES = {
    NodeState.FAILED: "was begun on {}, whose Node is not Ready",
    NodeState.DONE: "was done on {}, whose Node is not Ready",
    NodeState.UNDONE: "was undone on {}",
}


def not_the_node(planned: NodePlan, node: Node | None) -> str:
    """Why this is not the Node of the plan; empty if it is."""
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
        f"the plan would prove it at {elsewhere}, which its Node does not have" if elsewhere else ""
    )


_ROLES = {True: "control plane", False: "worker"}


def _other_than_planned(now_and_then: Mapping[str, tuple[object, object]]) -> str:
    """The first of these values that differs from the plan; empty if none does."""
    for what, (now, then) in now_and_then.items():
        if now != then:
            return f"its {what} is now {now}, but {then} in the plan"
    return ""


def why_skipped(planned: NodePlan, node: Node | None, *, begun: bool = False) -> str:
    """Why a run goes on without this node although its plan is a good one; empty if it need not.

    begun: the run has changed it before. It then finishes the node even if its kubelet has another
    version now, or its Node more addresses.
    """
    if node is None:
        return GONE
    if not node.ready:
        return "this Node is not Ready"
    if begun or node.uid != planned.uid:
        return ""
    version = node.status.node_info.kubelet_version
    if version != planned.kubelet_version:
        return f"its kubelet is {version} now, but {planned.kubelet_version} in the plan: it was upgraded since; {NEW_PLAN}"
    if added := _added(planned, node):
        return f"its Node has {min(added)}, which is not in the plan; {NEW_PLAN}"
    return ""


def _added(planned: NodePlan, node: Node) -> frozenset[str]:
    """The names and addresses that the Node has beyond all of the plan's.

    Its kubelet writes them, and would ask for them too, so its CSR would be held. That must not
    stop the run on other nodes.
    """
    then = _values(planned.allowed)
    now = _values(allowed_names_of(node))
    return now - then if then < now else frozenset()


def _values(allowed: AllowedNames) -> frozenset[str]:
    return frozenset(claim.value for claim in (*allowed.names, *allowed.addresses))


def recheck(planned: NodePlan, run: str, facts: MachineFacts) -> Recheck:
    """The state of this run on the node's disk."""
    survey, record = facts.survey, state_of_run(facts.survey, run)
    if has_restarted(record):
        facts = replace(facts, started_with=planned.disk.content_sha256)
    need = need_of(facts)
    if isinstance(need, LeftOut):
        armed = {each.run.decode(errors="replace") for each in armed_runs(survey)}
        if need.armed_run and armed == {run} and planned.change is ChangeKind.BOOTSTRAP:
            return _begun(planned, run, survey)
        if need.is_well:
            return Recheck(NodeState.DONE)
    if stands_by(record) is NodeState.UNDONE:
        return Recheck(NodeState.UNDONE, f"this run was undone on it; {NEW_PLAN}")
    if isinstance(need, LeftOut):
        return Recheck(NodeState.UNKNOWN, need.reason, armed_run=need.armed_run)
    if why := _not_as_planned(planned, record, survey, need):
        return Recheck(NodeState.UNKNOWN, why)
    return Recheck(NodeState.UNTOUCHED, content=need.content if need else b"")


def _begun(planned: NodePlan, run: str, survey: NodeSurvey) -> Recheck:
    """The state of a begun run: it can be proven and committed if the disk is as the run left it."""
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
        f"this run has begun on it, but {planned.disk.config} is not what the run writes; to put "
        f"the node back now: kubevouch undo {run} --node {planned.node}"
    )
    return Recheck(NodeState.UNKNOWN, why, armed_run=run)


def recheck_not_ready(stands: NodeState) -> Recheck | None:
    """How this run goes on with a node that is not Ready, by its state there; None if it has changed nothing, and goes without it.

    A node that the run has changed counts as its failure: its own restart may be the reason.
    """
    if stands in BEGUN:
        return Recheck(NodeState.FAILED)
    if stands not in (NodeState.DONE, NodeState.UNDONE):
        return None
    return Recheck(stands, f"this run was {stands} on it, and its Node is not Ready; {NEW_PLAN}")


def finished_only(found: Mapping[str, Recheck]) -> dict[str, str]:
    """Why the run skips some of its nodes, by name: it is armed on one, and has failed on that one or on another.

    Then it ends what it has begun, so that no healthy node is put back because of another, and
    begins nothing else.
    """
    failed = [each.failure.format(node) for node, each in found.items() if each.failure]
    if not failed or not any(each.state in BEGUN for each in found.values()):
        return {}
    only = f"this run {failed[0]}, so it only ends what it has begun; {NEW_PLAN}"
    left = {
        node: each
        for node, each in found.items()
        if each.state is NodeState.UNTOUCHED or (each.failure and each.why)
    }
    return {node: each.why or only for node, each in left.items()}


def _not_as_planned(
    planned: NodePlan, record: str, survey: NodeSurvey, need: Rewrite | None
) -> str:
    """How the node's needs now differ from the plan; empty if they do not. record: of the run there."""
    if stands_by(record) is NodeState.DONE:
        return f"this run completed on it before, but now it needs something else; {NEW_PLAN}"
    if planned.change is ChangeKind.BOOTSTRAP and (
        not survey.config or survey.config[0].sha256 != planned.disk.config_sha256
    ):
        return f"{planned.disk.config} has changed since the plan; {NEW_PLAN}"
    kind = ChangeKind.BOOTSTRAP if need else ChangeKind.APPROVE
    if kind is not planned.change:
        return f"it needs {_WORDS[kind]} now, but the plan has {_WORDS[planned.change]}; {NEW_PLAN}"
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
    ChangeKind.APPROVE: "the approval of its CSR",
    ChangeKind.BOOTSTRAP: "a change of its kubelet's configuration",
}


def not_entitled_as_planned(
    planned: NodePlan,
    live: Node,
    neighbours: Neighbours,
    proven: Mapping[str, NameSource],
    *,
    known_as: str = "",
) -> str:
    """Why the node may not have the names in its plan, as proven now; empty if it may.

    Only the operator's words are taken from the plan on trust, and apply shows them again first. If
    the Node claims more, it does not get it: a CSR that asks for more is held.

    live: the Node. neighbours: of all live nodes. proven: addresses that were proven just now.
    known_as: the name under which known_hosts has the key that answered just now.
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
    """The first claim of the plan that does not hold now; empty if all do."""
    sources = {claim.value: claim.source for claim in now}
    for claim in then:
        source = sources.get(claim.value)
        if source is not claim.source and not (source and claim.source is NameSource.OPERATOR):
            return f"the plan says of {claim.value}: {claim.source}; that does not hold now"
    return ""


def joined_since(plan: Plan, nodes: Iterable[Node]) -> tuple[LeftOut, ...]:
    """Nodes that were created after the plan, so it does not cover them."""
    known = {each.node for each in plan.nodes} | {each.node for each in plan.left_out}
    return tuple(
        LeftOut(node.name, f"it has joined the cluster since the plan was made; {NEW_PLAN}")
        for node in nodes
        if node.name not in known
        and node.metadata.creation_timestamp is not None
        and node.metadata.creation_timestamp > plan.made_at
    )


def not_accounted_for(plan: Plan, live: Iterable[str], well: frozenset[str]) -> str:
    """Which nodes of the cluster prevent the change of the kubelet-config ConfigMap; empty if none does.

    The ConfigMap decides how nodes start that join later, and says what holds on every node. So
    each node is in the plan, or was left out as well and is still well (`well`).
    """
    planned = {each.node for each in plan.nodes}
    left_out = {each.node: each for each in plan.left_out}
    missing = []
    for name in sorted(live):
        if name in planned or (name in well and name in left_out and left_out[name].is_well):
            continue
        why = (
            "is not in this plan"
            if name not in left_out
            else ("is no longer well" if left_out[name].is_well else "is left out of this plan")
        )
        missing.append(f"{name} {why}")
    return "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" if len(missing) > 3 else "")
