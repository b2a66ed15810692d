"""Makes the plan of one node: what the node needs, and its allowed names and addresses. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from kubevouch.diagnose.make import counted
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.serving import preferred_types, scraped_address
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.resources import Node
from kubevouch.kubelet.splice import Refusal, set_server_tls_bootstrap
from kubevouch.policy.claims import NameSource, allowed_names_of, confirmed
from kubevouch.policy.machines import HOST_KEY, SharedIdentity, sharing
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.entitled import Neighbours, not_entitled, without_shared_keys
from kubevouch.rollout.decide.lineup import stratum_of
from kubevouch.rollout.decide.machine import not_bound_by_operator
from kubevouch.rollout.decide.need import Rewrite
from kubevouch.rollout.decide.plan import UNWRITTEN, ChangeKind, ConfigMapPlan, LeftOut, NodePlan
from kubevouch.rollout.decide.plan_text import node_problem
from kubevouch.rollout.errors import LeadsOn


@dataclass(frozen=True)
class NodeFacts:
    """The facts about a node from which its plan is made.

    need: the result of `need_of`. domain: the kubelet's clusterDomain; empty if it has none.
    confirmed: proven addresses. accepted: names and addresses that the operator confirms. flags:
    metrics-server's flags.
    """

    node: Node
    need: Rewrite | LeftOut | None
    domain: str
    host_key: str
    confirmed: dict[str, NameSource]
    accepted: tuple[str, ...]
    flags: tuple[str, ...]
    host: str = ""
    """The host given to ssh; empty means the node's name."""

    known_as: str = ""
    """The host key's name in known_hosts."""


def assess_all(
    seen: Iterable[NodeFacts | LeftOut],
    nodes: Sequence[Node],
    reserved: ReservedNames,
    shared: Iterable[SharedIdentity],
) -> list[NodePlan | LeftOut]:
    """The plan of each surveyed node, or why it has none.

    A host key that several nodes share proves nothing. nodes: all Nodes of the cluster. The time
    grows linearly with their number.
    """
    cloned, neighbours = sharing(shared, HOST_KEY), Neighbours(NodeIndex(nodes), reserved)

    def assessed(facts: NodeFacts) -> NodePlan | LeftOut:
        proven = without_shared_keys(facts.node.name, facts.confirmed, cloned)
        return assess(replace(facts, confirmed=proven), neighbours)

    return [each if isinstance(each, LeftOut) else assessed(each) for each in seen]


def assess(facts: NodeFacts, neighbours: Neighbours) -> NodePlan | LeftOut:
    """The node's plan, or why it has none."""
    node, need, host = facts.node, facts.need, facts.host or facts.node.name
    if isinstance(need, LeftOut):
        return msgspec.structs.replace(need, host=host)
    said = (*facts.accepted, host)  # `by_answer` asks the operator
    if why := not_bound_by_operator(node.name, host, facts.known_as, said, neighbours.nodes):
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    allowed = confirmed(allowed_names_of(node, seen=facts.confirmed), facts.accepted)
    if why := not_entitled(allowed, neighbours):
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    dial = scraped_address(node, preferred_types(facts.flags))
    if dial is None:
        why = "the Node's status has no address, so its kubelet cannot request a certificate"
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    plan = NodePlan(
        node=node.name,
        uid=node.uid,
        machine_id=node.status.node_info.machine_id,
        host=host,
        known_as=facts.known_as,
        host_key=facts.host_key,
        control_plane=allowed.control_plane,
        kubelet_version=node.status.node_info.kubelet_version,
        change=ChangeKind.BOOTSTRAP if need else ChangeKind.APPROVE,
        dial=(dial,),
        port=node.kubelet_port,
        names=allowed.names,
        addresses=allowed.addresses,
        disk=need.disk if need else UNWRITTEN,
        stratum=stratum_of(node),
    )
    if why := node_problem(plan):
        return LeftOut(
            node.name, f"a plan cannot contain this node: {why}", leads_on=LeadsOn.STATUS
        )
    return plan


def readiness_notice(planned: Iterable[NodePlan]) -> tuple[str, ...]:
    """A notice about pods that become unready when a kubelet before 1.35 restarts (pkg/kubelet/prober/worker.go, prober_manager.go)."""
    restarted = [each for each in planned if each.change is ChangeKind.BOOTSTRAP]
    old = sorted({each.kubelet_version for each in restarted if _is_before_1_35(each)})
    if not old:
        return ()
    said = "after its restart, pods with a readiness or startup probe are not ready until the next probe"
    return (f"kubelet {', '.join(old)}: {said} (kubernetes#100277; only before 1.35)",)


def _is_before_1_35(node: NodePlan) -> bool:
    found = re.match(r"v?1\.(\d{1,3})\.", node.kubelet_version)
    return found is not None and int(found[1]) < 35


_NOT_KUBEADMS = "this cluster has none, since kubeadm did not make it"
_JOINERS = "nodes that join later need an approver"


def plan_config_map(
    known: Measured[KubeletConfigMap],
    planned: Sequence[NodePlan],
    left_out: Sequence[LeftOut],
    nodes: Sequence[Node],
) -> tuple[ConfigMapPlan | None, str]:
    """The change of the ConfigMap, if any, and a note for the operator. nodes: all Nodes of the cluster."""
    if known.value is None:
        return None, known.doubt.text if known.doubt else _NOT_KUBEADMS
    if known.value.bootstrap:
        return None, "has serverTLSBootstrap: true already"
    named = {each.node for each in planned} | {each.node for each in left_out}
    absent = [node.name for node in nodes if node.name not in named]
    if absent:
        return None, f"not in this plan, which does not cover {counted(len(absent), 'node')}"
    unwell = [each.node for each in left_out if not each.is_well]
    if unwell:
        return None, f"not in this plan, which leaves out {counted(len(unwell), 'node')}"
    found = known.value
    name = found.object.name
    edit = set_server_tls_bootstrap(found.text.encode())
    if isinstance(edit, Refusal):
        return None, f"cannot be edited: {edit}"
    change = ConfigMapPlan(
        name=name,
        uid=found.object.uid,
        resource_version=found.object.metadata.resource_version,
        before=found.text,
        after=edit.after.decode(),
        diff=edit.diff(f"/ConfigMap/{name}"),
    )
    return change, _JOINERS


def is_its_edit(plan: ConfigMapPlan) -> bool:
    """Whether the planned text is the old text with only serverTLSBootstrap set.

    Anybody may have written the plan's file.
    """
    edit = set_server_tls_bootstrap(plan.before.encode())
    return not isinstance(edit, Refusal) and edit.after.decode() == plan.after
