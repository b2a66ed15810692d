"""Checks before the first write: the cluster, the machines, our rights, and whether we can dial the kubelets."""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta

from msgspec.structs import replace

from kubevouch.evidence.gather.csrs import SERVING_SIGNER, list_csrs
from kubevouch.evidence.gather.identity import cluster_uid, gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.run_holder import NAME, NAMESPACE
from kubevouch.evidence.serving import judge_served
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, NODES, Node, ResourceAttributes
from kubevouch.kubelet.io.dial import dial
from kubevouch.policy.csr import NODE_USER
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import approved_by_run, targets_of
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.assess import is_its_edit
from kubevouch.rollout.decide.plan import (
    LeftOut,
    NodePlan,
    Plan,
    not_the_cluster,
)
from kubevouch.rollout.decide.recheck import (
    NEW_PLAN,
    Recheck,
    not_the_node,
    recheck_not_ready,
    why_skipped,
)
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, RunOnNode
from kubevouch.rollout.decide.timeouts import HANDSHAKE
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from kubevouch.tls import FailureKind

SILENT = {
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
    FailureKind.OUR_SIDE,
}
"""Failures that do not show whether a kubelet listens at the address."""
_SKEW = timedelta(minutes=5)
"""The tolerated clock skew between the machine that made the plan and this one."""


async def check_cluster(
    plan: Plan, context: RolloutContext
) -> tuple[TrustedRoots, tuple[Node, ...], tuple[LeftOut, ...]]:
    """Checks the UID of kube-system, the cluster's CA and the Nodes against the plan.

    Returns the CAs that pods trust, all Nodes, and the plan's nodes that the run skips.

    Raises:
        StoppedBefore: this is another cluster, or a Node differs from the plan.
    """
    trust = await check_identity(plan, context, otherwise=NEW_PLAN)
    if plan.made_at > context.clock.now() + _SKEW:
        raise StoppedBefore(
            f"plan of run {plan.run}",
            f"was made in the future, at {plan.made_at}",
            NEW_PLAN,
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
            "the planned text is not the old text with serverTLSBootstrap: true",
            NEW_PLAN,
        )
    return trust, nodes, tuple(away)


async def check_identity(
    plan: Plan, context: RolloutContext, *, otherwise: str = ""
) -> TrustedRoots:
    """Checks the UID of kube-system and the cluster's CA against the plan.

    Returns the CAs that pods trust. otherwise: an alternative for the error's advice, such as
    "make a new plan".

    Raises:
        StoppedBefore: this is another cluster.
    """
    where = _context_of(context.api)
    uid = await cluster_uid(context.api)
    trust = await gather_trust(context.api, Inquiry(context.clock))
    if trust.value is None:
        why = trust.doubt.text if trust.doubt else "the cluster's CA is unknown"
        raise StoppedBefore(where, why, way=LeadsOn.DOCTOR)
    if why := not_the_cluster(plan.cluster, uid, trust.value.sha256):
        raise _another_cluster(plan, context.api, why, otherwise)
    return trust.value


async def refuse_another_cluster(plan: Plan, api: ApiClient) -> None:
    """Raises StoppedBefore if this is not the plan's cluster. For commands that only read.

    Does nothing if the API server does not answer.
    """
    try:
        uid = await cluster_uid(api)
    except KubeError:
        return
    if why := not_the_cluster(plan.cluster, uid, plan.cluster.ca_sha256):
        raise _another_cluster(plan, api, why)


def _context_of(api: ApiClient) -> str:
    return f"context {api.access.context or 'service account'}"


def _another_cluster(plan: Plan, api: ApiClient, why: str, otherwise: str = "") -> StoppedBefore:
    """The error for another cluster. It advises a new plan if the API server's address is the plan's, else another context."""
    advice = f"choose the cluster at {plan.cluster.server} with --kubeconfig or --context"
    advice += f", or {otherwise}" if otherwise else ""
    is_there = api.access.server == plan.cluster.server
    way = LeadsOn.NEW_PLAN if is_there else LeadsOn.CLUSTER
    return StoppedBefore(_context_of(api), why, advice, way=way)


async def check_rights(context: RolloutContext, *, config_map: bool) -> None:
    """Checks that we have all rights for the run. Raises StoppedBefore with the missing ones."""
    certificates = ResourceAttributes(group="certificates.k8s.io")
    leases = ResourceAttributes(
        group="coordination.k8s.io", resource="leases", namespace=NAMESPACE, name=NAME
    )
    maps = ResourceAttributes(resource="configmaps", namespace=NAMESPACE, name="kubelet-config")
    wanted = [
        replace(certificates, verb="patch", resource=CSRS.plural, subresource="approval"),
        replace(certificates, verb="approve", resource="signers", name=SERVING_SIGNER),
        replace(leases, verb="create", name=""),
        replace(leases, verb="get"),
        replace(leases, verb="update"),
        *([replace(maps, verb="patch")] if config_map else []),
    ]
    await check_allowed(context.api, wanted)


async def check_allowed(api: ApiClient, wanted: Iterable[ResourceAttributes]) -> None:
    """Raises StoppedBefore with the missing rights, if any."""
    asked = [(each, await api.self_subject_access_review(each)) for each in wanted]
    if lacking := [str(each) for each, answer in asked if not answer.allowed]:
        raise StoppedBefore(
            api.access.server,
            f"not allowed to {', '.join(lacking)}",
            "`kubevouch apply --print-role` prints the roles",
            way=LeadsOn.RIGHTS,
        )


async def check_vantage(
    nodes: Iterable[NodePlan], trust: TrustedRoots | None, context: RolloutContext
) -> dict[str, Served]:
    """Checks that this machine can dial every address, as the gates require.

    Returns what each node serves at its first address.

    Raises:
        StoppedBefore: an address cannot be dialled.
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
                    "run kubevouch on a machine that reaches the nodes' addresses",
                    way=LeadsOn.DOCTOR,
                )
            found.setdefault(each.target.node, judge_served(each, trust, context.clock))
    return found


_PATIENCE = 15.0
"""How long to wait until a Node on which the run has begun is Ready, in seconds."""

_LOOKED_AT = (*BEGUN, NodeState.UNDONE)
"""If the run has one of these states on a Ready node, it handles the node like any other."""


async def look_at_away_nodes(
    plan: Plan,
    nodes: Sequence[Node],
    away: Sequence[LeftOut],
    context: RolloutContext,
    *,
    goes_on: bool,
) -> tuple[tuple[LeftOut, ...], dict[str, Recheck]]:
    """Reads the run's state on skipped nodes where the run may have begun.

    Returns the nodes that the run still skips, and the run's states on nodes that it has changed or
    undone and that are not Ready. A Ready node on which the run is armed or was undone is in
    neither, since the run handles it like any other node. goes_on: whether this machine has started
    the run before.

    Raises:
        StoppedBefore: the run may have begun on a node whose state cannot be read.
    """
    live = {node.name: node for node in nodes}
    names = {each.node for each in away}
    asked = [
        planned_target(each)
        for each in plan.nodes
        if each.node in names and _may_be_begun(each, live.get(each.node))
    ]
    statuses = await gather_statuses(asked, plan.run, context.transport)
    failures: dict[str, Recheck] = {}
    as_any_other = set()
    for status in statuses:
        node = live[status.node]
        if status.state is NodeState.UNKNOWN:
            if goes_on or await _has_approved(status.node, plan.run, context):
                raise _cannot_tell(status, _how_it_is(node))
        elif await _is_as_any_other(status, node, context):
            as_any_other.add(node.name)
        elif not node.ready and (seen := recheck_not_ready(status.state)):
            failures[node.name] = seen
    kept = {*failures, *as_any_other}
    return tuple(each for each in away if each.node not in kept), failures


async def _is_as_any_other(status: RunOnNode, node: Node, context: RolloutContext) -> bool:
    """Whether the run is armed or was undone on the node, and the node is Ready.

    Waits up to 15 s for an armed node to become Ready.
    """
    if node.ready:
        return status.state in _LOOKED_AT
    return status.state in BEGUN and await _becomes_ready(node.name, context)


def _may_be_begun(planned: NodePlan, live: Node | None) -> bool:
    """Whether the run may have begun here: it writes on this node, and the Node has the plan's UID.

    The Node's other fields do not count, since the kubelet can change them.
    """
    is_it = live is not None and live.uid == planned.uid
    return is_it and planned.writes


def _how_it_is(live: Node) -> str:
    return "the Node differs from the plan" if live.ready else "this Node is not Ready"


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
        context.progress.waiting(
            name, "the Node to become Ready, because this run has already begun on it"
        )
        await context.clock.sleep(1)


async def _has_approved(node: str, run: str, context: RolloutContext) -> bool:
    """Whether the run has approved a CSR of the node, and so has begun on it."""
    csrs = await list_csrs(context.api)
    own = (each for each in csrs if each.spec.username == f"{NODE_USER}{node}")
    return any(approved_by_run(each, run) for each in own)


def _cannot_tell(status: RunOnNode, how: str) -> StoppedBefore:
    why = "; ".join(status.notes)
    seen = f"{how}, and this run may have begun on it, but the run's state cannot be read: {why}"
    return StoppedBefore(
        status.node, seen, "fix the cause, or make a plan without this node", way=LeadsOn.REACH
    )
