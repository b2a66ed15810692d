"""Checks before the first write: the cluster, the machines, our rights, and that kubelets can be dialled from here."""

from collections.abc import Iterable
from contextlib import aclosing
from datetime import timedelta

import msgspec

from kubevouch.evidence.gather.identity import cluster_uid, gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.run_holder import NAME, NAMESPACE
from kubevouch.evidence.serving import judge_served
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Node, ResourceAttributes
from kubevouch.kubelet.io.dial import dial
from kubevouch.node.script import ScriptResult
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import targets_of
from kubevouch.rollout.act.survey_node import check_pinned
from kubevouch.rollout.decide.assess import is_its_edit
from kubevouch.rollout.decide.machine import another_host_key, not_the_machine
from kubevouch.rollout.decide.plan import LeadsOn, LeftOut, NodePlan, Plan, not_the_cluster
from kubevouch.rollout.decide.recheck import NEW_PLAN, not_the_node, why_skipped
from kubevouch.rollout.decide.timeouts import HANDSHAKE
from kubevouch.rollout.errors import AnotherHostKey, StoppedBefore
from kubevouch.tls import FailureKind

_SURVEY = 60.0
SILENT = {
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
    FailureKind.OUR_SIDE,
}
"""What a dial ends with that says nothing of who listens there."""
_SKEW = timedelta(minutes=5)
"""A plan may be made on another machine than it is carried out on."""

_SIGNER = "kubernetes.io/kubelet-serving"


async def check_cluster(
    plan: Plan, context: RolloutContext
) -> tuple[TrustedRoots, tuple[Node, ...], tuple[LeftOut, ...]]:
    """The cluster is the plan's: by the UID of kube-system, its CA and its Nodes.

    Returns whom its pods trust, all its Nodes, and those of the plan that the run goes without.

    Raises:
        StoppedBefore: it is another cluster, or a Node is another one than in the plan.
    """
    trust = await check_identity(plan, context, otherwise=NEW_PLAN)
    if plan.made_at > context.clock.now() + _SKEW:
        raise StoppedBefore(
            f"plan of run {plan.run}", f"it says that it was made at {plan.made_at}", NEW_PLAN
        )
    nodes = tuple(await context.api.list_all(NODES))
    by_name = {node.name: node for node in nodes}
    away = []
    for planned in plan.nodes:
        node = by_name.get(planned.node)
        if why := why_skipped(planned, node):
            away.append(LeftOut(planned.node, why, leads_on=LeadsOn.DOCTOR))
        elif why := not_the_node(planned, node):
            raise StoppedBefore(planned.node, why, NEW_PLAN)
    if plan.config_map is not None and not is_its_edit(plan.config_map):
        raise StoppedBefore(
            f"ConfigMap {plan.config_map.name}",
            "what the plan would write is not the old text with serverTLSBootstrap: true",
            NEW_PLAN,
        )
    return trust, nodes, tuple(away)


async def check_identity(
    plan: Plan, context: RolloutContext, *, otherwise: str = ""
) -> TrustedRoots:
    """The cluster is the plan's, by the UID of kube-system and its CA. Returns whom its pods trust.

    otherwise: what else may be done if it is another one.

    Raises:
        StoppedBefore: it is another one.
    """
    where = _context_of(context.api)
    uid = await cluster_uid(context.api)
    trust = await gather_trust(context.api, Inquiry(context.clock))
    if trust.value is None:
        why = trust.doubt.text if trust.doubt else "the cluster's CA is not known"
        raise StoppedBefore(where, why, way=LeadsOn.DOCTOR)
    if why := not_the_cluster(plan.cluster, uid, trust.value.sha256):
        raise _another_cluster(plan, context.api, why, otherwise)
    return trust.value


async def refuse_another_cluster(plan: Plan, api: ApiClient) -> None:
    """For who only reads: raises StoppedBefore if this is another cluster than the plan's. One that does not answer is not known to be."""
    try:
        uid = await cluster_uid(api)
    except KubeError:
        return
    if why := not_the_cluster(plan.cluster, uid, plan.cluster.ca_sha256):
        raise _another_cluster(plan, api, why)


def _context_of(api: ApiClient) -> str:
    return f"context {api.access.context or 'service account'}"


def _another_cluster(plan: Plan, api: ApiClient, why: str, otherwise: str = "") -> StoppedBefore:
    """A new plan helps where it is another cluster at the same address, or its CA is new."""
    advice = f"name the cluster at {plan.cluster.server} by --kubeconfig or --context"
    advice += f", or {otherwise}" if otherwise else ""
    is_there = api.access.server == plan.cluster.server
    way = LeadsOn.NEW_PLAN if is_there else LeadsOn.CLUSTER
    return StoppedBefore(_context_of(api), why, advice, way=way)


async def check_rights(context: RolloutContext, *, config_map: bool) -> None:
    """Checks that we have every right that the run needs. Raises StoppedBefore with those that are lacking."""
    holder = ResourceAttributes(
        verb="update",
        group="coordination.k8s.io",
        resource="leases",
        namespace=NAMESPACE,
        name=NAME,
    )
    wanted = [
        ("patch certificatesigningrequests/approval", ResourceAttributes(
            verb="patch",
            group="certificates.k8s.io",
            resource="certificatesigningrequests",
            subresource="approval",
        )),
        (f"approve signers {_SIGNER}", ResourceAttributes(
            verb="approve", group="certificates.k8s.io", resource="signers", name=_SIGNER
        )),
        (f"create leases in {NAMESPACE}", msgspec.structs.replace(holder, verb="create", name="")),
        (f"get leases {NAMESPACE}/{NAME}", msgspec.structs.replace(holder, verb="get")),
        (f"update leases {NAMESPACE}/{NAME}", holder),
    ]  # fmt: skip
    if config_map:
        attributes = ResourceAttributes(
            verb="patch", resource="configmaps", namespace="kube-system", name="kubelet-config"
        )
        wanted.append(("patch configmaps kube-system/kubelet-config", attributes))
    lacking = [
        what
        for what, attributes in wanted
        if not (await context.api.self_subject_access_review(attributes)).allowed
    ]
    if lacking:
        raise StoppedBefore(
            context.api.access.server,
            f"not allowed to {', '.join(lacking)}",
            "the roles that are needed: `kubevouch apply --print-role`",
            way=LeadsOn.RIGHTS,
        )


async def check_vantage(
    nodes: Iterable[NodePlan], trust: TrustedRoots | None, context: RolloutContext
) -> dict[str, Served]:
    """Checks that every address can be dialled from here, without which no gate could be judged.

    Returns what each node serves at its first address.

    Raises:
        StoppedBefore: one cannot be dialled.
    """
    wanted = {target: node.node for node in nodes for target in targets_of(node)}
    found: dict[str, Served] = {}
    async with aclosing(dial(wanted, clock=context.clock, timeout=HANDSHAKE)) as dialled:
        async for each in dialled:
            failure = each.failure
            if failure is not None and failure.kind in SILENT:
                raise StoppedBefore(
                    each.target.node,
                    f"{each.target} cannot be dialled from here: {failure.go_text or failure.text}",
                    "run this where the nodes' addresses can be reached",
                    way=LeadsOn.DOCTOR,
                )
            found.setdefault(each.target.node, judge_served(each, trust, context.clock))
    return found


async def survey_planned(node: NodePlan, context: RolloutContext) -> ScriptResult[NodeSurvey]:
    """A survey of the plan's machine, and of no other.

    Raises:
        StoppedBefore: it is another one, also if only its host key is (AnotherHostKey).
        NodeError: it cannot be reached.
    """
    result = await context.transport.run_script(node.host, survey(), timeout=_SURVEY)
    if other := another_host_key(node.host_key, result.host_key):
        raise AnotherHostKey(node.node, *other)
    if why := not_the_machine(result.answer, node.node, node.machine_id):
        raise StoppedBefore(node.node, why)
    check_pinned(node.node, result.answer, context)
    return result
