"""`plan`: decides what each node needs, from a snapshot of the cluster and each machine's survey.

Changes nothing, except that it creates pods with --via pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from kubevouch.diagnose.catalogue import INSTALL_APPROVER, Code
from kubevouch.diagnose.make import named
from kubevouch.diagnose.rules.approving import (
    approves_nothing,
    running_approvers,
    unseen_approver,
)
from kubevouch.errors import KubevouchError, UsageError, nearest
from kubevouch.evidence.gather.inquiry import Inquiry, of_each
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.evidence.measured import DoubtKind
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import claims_value
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import reserved_of
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.look import SeenOutside, look_at_machine
from kubevouch.rollout.act.node_facts import asked_for_again_by_pod
from kubevouch.rollout.decide.assess import assess_all, plan_config_map, readiness_notice
from kubevouch.rollout.decide.entitled import (
    NO_WORD,
    Neighbours,
    OperatorWord,
    names_with_word,
    shared_among,
)
from kubevouch.rollout.decide.machine import StartFiles
from kubevouch.rollout.decide.need import Look
from kubevouch.rollout.decide.own_csrs import csrs_by_node
from kubevouch.rollout.decide.plan import (
    ClusterBinding,
    LeftOut,
    NodeOptions,
    NodePlan,
    Plan,
    Via,
)
from kubevouch.rollout.errors import LeadsOn, way_on

_AT_ONCE = 16
_MOST_ADDRESSES = 16


@dataclass(frozen=True)
class PlanOptions:
    """The operator's options. accepted: the names and addresses that the operator confirms, by node."""

    run: str
    made_by: str
    way: NodeOptions
    accepted: Mapping[str, tuple[str, ...]]
    word: OperatorWord = NO_WORD


async def gather_plan(options: PlanOptions, context: RolloutContext) -> Plan:
    """Reads the evidence and decides what each node needs.

    The operator must still confirm addresses that only the node claims; see `by_answer`.

    Raises:
        KubevouchError: a tool other than kubeadm made the cluster, or the cluster cannot be
            identified, so that no plan can be bound to it.
        UsageError: an option names a node that does not exist, or a value that is not in the Node's status.
        KubeError: the API server does not answer.
    """
    evidence = await gather(context.api, clock=context.clock)
    _check_maker(evidence, context.api.access.server)
    names = await gather_names(context.api, Inquiry(context.clock))
    binding = _bound(evidence, context)
    nodes = evidence.nodes.or_else(())
    chosen = _chosen(nodes, options)
    uncertain = await asked_for_again_by_pod(context, chosen)

    outside = SeenOutside(
        served={each.node: each for each in evidence.served},
        csrs=csrs_by_node(evidence.csrs.or_else(())),
        trust=evidence.trust.value,
    )

    async def looked_at(node: Node) -> Look | LeftOut:
        if why := uncertain.get(node.name):
            return LeftOut(node.name, why, leads_on=LeadsOn.BY_SSH)
        return await _looked_at(node, options.way.via, context, outside)

    seen = await of_each(chosen, looked_at, at_once=_AT_ONCE)
    surveyed = [each for each in seen if isinstance(each, Look)]
    domains = [StartFiles(each.survey).cluster_domain for each in surveyed]
    reserved = reserved_of(names_with_word(names, options.word, domains), nodes)
    shared = shared_among(nodes, {each.node.name: each.host_key for each in surveyed})
    neighbours = Neighbours(NodeIndex(nodes), reserved)
    answers = assess_all(seen, neighbours, shared, options.accepted, evidence.metrics.flags)
    planned = [each for each in answers if isinstance(each, NodePlan)]
    left_out = [each for each in answers if isinstance(each, LeftOut)]
    config_map, note = plan_config_map(evidence.kubelet_config, planned, left_out, nodes)
    approvers = running_approvers(evidence)
    return Plan(
        **msgspec.structs.asdict(options.way),
        run=options.run,
        made_at=context.clock.now(),
        made_by=options.made_by,
        cluster=binding,
        nodes=tuple(planned),
        left_out=tuple(left_out),
        config_map=config_map,
        config_map_note=note,
        notices=(
            *_current_run(evidence),
            *_of_this_machine(names),
            *(str(each) for each in shared),
            *((_why_nobody_approves(evidence),) if planned and not approvers else ()),
            *readiness_notice(planned),
        ),
    )


def _check_maker(evidence: Evidence, server: str) -> None:
    if maker := evidence.maker:
        seen = f"{maker} made this cluster, but kubevouch changes only kubelets that kubeadm set up"
        raise KubevouchError(server, seen, f"{maker.way} ({maker.link})")


def _bound(evidence: Evidence, context: RolloutContext) -> ClusterBinding:
    cluster = evidence.cluster
    if cluster.uid.value is None or evidence.trust.value is None or evidence.nodes.value is None:
        server = context.api.access.server
        asked = (cluster.uid.doubt, evidence.trust.doubt, evidence.nodes.doubt)
        doubts = [doubt for doubt in asked if doubt]
        why = "; ".join(doubt.text.removeprefix(f"{server}: ") for doubt in doubts)
        error = KubevouchError(server, why or "the cluster cannot be identified")
        error.lacks_rights = any(each.kind is DoubtKind.NOT_ALLOWED for each in doubts)
        raise error
    return ClusterBinding(
        context=cluster.context,
        server=cluster.server,
        cluster_uid=cluster.uid.value,
        ca_sha256=evidence.trust.value.sha256,
        version=cluster.version.or_else(""),
    )


def _chosen(nodes: tuple[Node, ...], options: PlanOptions) -> tuple[Node, ...]:
    known = {node.name for node in nodes}
    for name in (*options.way.only, *options.accepted):
        if name not in known:
            expected = nearest(name, known, otherwise=f"Nodes: {named(sorted(known))}")
            raise UsageError(name, "no such Node", expected)
    for node in nodes:
        for value in options.accepted.get(node.name, ()):
            _check_claimed(node, value)
    wanted = set(options.way.only)
    return tuple(node for node in nodes if not wanted or node.name in wanted)


def _check_claimed(node: Node, value: str) -> None:
    """Raises UsageError if the Node does not claim the value, since no CSR would request it."""
    if claims_value(node, value):
        return
    claimed = [each.address for each in node.status.addresses] or [node.name]
    expected = nearest(value, claimed, otherwise=f"it claims {named(claimed)}")
    raise UsageError(f"{node.name}={value}", "this value is not in the Node's status", expected)


async def _looked_at(
    node: Node, via: Via, context: RolloutContext, outside: SeenOutside
) -> Look | LeftOut:
    """Surveys the node, or returns why the plan leaves it out."""
    if node.status.node_info.operating_system not in ("", "linux"):
        why = f"it runs {node.status.node_info.operating_system}"
        return LeftOut(node.name, why, leads_on=LeadsOn.NOTHING)
    if not node.ready:
        return LeftOut(node.name, "it is NotReady", leads_on=LeadsOn.DOCTOR)
    if len(node.status.addresses) > _MOST_ADDRESSES:
        why = f"the Node's status has more than {_MOST_ADDRESSES} addresses"
        return LeftOut(node.name, why, leads_on=LeadsOn.STATUS)
    try:
        seen = await look_at_machine(node, outside, context)
    except KubevouchError as error:
        return LeftOut(node.name, str(error), leads_on=way_on(error), host=node.name)
    if via == "ssh" and not seen.host_key:
        return LeftOut(node.name, "ssh does not show the node's host key")
    context.progress.step(node.name, "surveyed")
    return seen


def _current_run(evidence: Evidence) -> tuple[str, ...]:
    """A note if a run is in progress, since no other run can start before it ends."""
    holder, doubt = evidence.run_holder.value, evidence.run_holder.doubt
    if doubt is not None:
        return (f"cannot tell whether a run is in progress: {doubt.text}",)
    return (f"a run is in progress: {holder}",) if holder is not None and holder.is_alive else ()


def _of_this_machine(names: ClusterNames) -> tuple[str, ...]:
    listed = len(names.loopback.addresses)
    if not listed:
        return ()
    what = "1 loopback address" if listed == 1 else f"{listed} loopback addresses"
    return (f"kubelets' certificates may contain {what}, since this cluster runs on one machine",)


def _why_nobody_approves(evidence: Evidence) -> str:
    """What happens while no approver works, and how to install or repair one."""
    stalls = (
        "rotations stall at 70 to 90 % of a certificate's life, and TLS fails when it expires "
        f"({Code.ROTATION_WILL_STALL})"
    )
    if ours := evidence.our_approver.value:
        code = Code.OUR_APPROVER_DECIDES_NOTHING
        return f"the approver {approves_nothing(ours)} ({code}). Until it approves CSRs, {stalls}"
    unseen = unseen_approver(evidence)
    why = f"no running approver was found: {unseen.evidence}" if unseen else "no approver runs here"
    return f"{why}. Without one, {stalls}. Run one before then: `{INSTALL_APPROVER}`"
