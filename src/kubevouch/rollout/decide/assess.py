"""Makes the plan of one node: what the node needs, and its allowed names and addresses. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from kubevouch.diagnose.make import counted
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.serving import preferred_types, scraped_address
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.resources import Node
from kubevouch.kubelet.splice import Refusal, set_server_tls_bootstrap
from kubevouch.policy.claims import allowed_names_of, confirmed
from kubevouch.policy.machines import HOST_KEY, SharedIdentity, sharing
from kubevouch.rollout.decide.entitled import Neighbours, not_entitled, without_shared_keys
from kubevouch.rollout.decide.lineup import stratum_of
from kubevouch.rollout.decide.machine import not_bound_by_operator
from kubevouch.rollout.decide.need import Look, need_of
from kubevouch.rollout.decide.plan import UNWRITTEN, ChangeKind, ConfigMapPlan, LeftOut, NodePlan
from kubevouch.rollout.decide.plan_text import node_problem
from kubevouch.rollout.errors import LeadsOn


def assess_all(
    seen: Iterable[Look | LeftOut],
    neighbours: Neighbours,
    shared: Iterable[SharedIdentity],
    accepted: Mapping[str, tuple[str, ...]],
    flags: tuple[str, ...],
) -> list[NodePlan | LeftOut]:
    """The plan of each surveyed node, or why the plan leaves it out. Runs in linear time.

    A host key that several nodes share proves nothing. accepted: names and addresses that the
    operator confirms, by node. flags: metrics-server's flags.
    """
    cloned = sharing(shared, HOST_KEY)

    def assessed(look: Look) -> NodePlan | LeftOut:
        proven = without_shared_keys(look.node.name, look.confirmed, cloned)
        said = accepted.get(look.node.name, ())
        return assess(replace(look, confirmed=proven), neighbours, said, flags)

    return [each if isinstance(each, LeftOut) else assessed(each) for each in seen]


def assess(
    look: Look,
    neighbours: Neighbours,
    accepted: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> NodePlan | LeftOut:
    """The node's plan, or why the plan leaves the node out."""
    node, host = look.node, look.host
    need = need_of(look)
    if isinstance(need, LeftOut):
        return msgspec.structs.replace(need, host=host)
    said = (*accepted, host)  # `by_answer` asks the operator
    if why := not_bound_by_operator(node.name, host, look.known_as, said, neighbours.nodes):
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    allowed = confirmed(allowed_names_of(node, seen=look.confirmed), accepted)
    if why := not_entitled(allowed, neighbours):
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    dial = scraped_address(node, preferred_types(flags))
    if dial is None:
        why = "the Node's status has no address, so its kubelet cannot request a certificate"
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    plan = NodePlan(
        node=node.name,
        uid=node.uid,
        machine_id=node.status.node_info.machine_id,
        host=host,
        known_as=look.known_as,
        host_key=look.host_key,
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
    restarted = [each for each in planned if each.writes]
    old = sorted({each.kubelet_version for each in restarted if _is_before_1_35(each)})
    if not old:
        return ()
    said = "after the restart, pods with a readiness or startup probe are not ready until the next probe"
    return (f"kubelet {', '.join(old)}: {said} (kubernetes#100277; only before 1.35)",)


def _is_before_1_35(node: NodePlan) -> bool:
    found = re.match(r"v?1\.(\d{1,3})\.", node.kubelet_version)
    return found is not None and int(found[1]) < 35


_NOT_KUBEADMS = "kubeadm did not create this cluster: it has no kubelet-config"
_JOINERS = "nodes that join later need an approver"


def plan_config_map(
    known: Measured[KubeletConfigMap],
    planned: Sequence[NodePlan],
    left_out: Sequence[LeftOut],
    nodes: Sequence[Node],
) -> tuple[ConfigMapPlan | None, str]:
    """The change of the kubelet-config ConfigMap, or None if it stays unchanged, and a note.

    nodes: all Nodes of the cluster.
    """
    if known.value is None:
        return None, known.doubt.text if known.doubt else _NOT_KUBEADMS
    if known.value.bootstrap:
        return None, "already has serverTLSBootstrap: true"
    named = {each.node for each in planned} | {each.node for each in left_out}
    absent = [node.name for node in nodes if node.name not in named]
    if absent:
        return None, f"stays unchanged: this plan does not cover {counted(len(absent), 'node')}"
    unwell = [each.node for each in left_out if not each.is_well]
    if unwell:
        return None, f"stays unchanged: this plan leaves out {counted(len(unwell), 'node')}"
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

    This is checked because anybody may have edited the plan's file.
    """
    edit = set_server_tls_bootstrap(plan.before.encode())
    return not isinstance(edit, Refusal) and edit.after.decode() == plan.after
