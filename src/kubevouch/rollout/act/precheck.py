"""Before the first write: is it the plan's cluster, are they the plan's machines, can we see and do what we must?"""

from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime

import msgspec

from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.serving import judged
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import NAMESPACES, NODES, Node, NodeAddress, ResourceAttributes
from kubevouch.kubelet.io.dial import dial
from kubevouch.node.errors import NodeError
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.observe import targets_of
from kubevouch.rollout.decide.assess import NodeFacts, not_the_machine
from kubevouch.rollout.decide.plan import LeftOut, NodePlan, Plan
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.tls.failure import FailureKind

_SURVEY = 60.0
_SILENT = {
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
    FailureKind.OUR_SIDE,
}
_SIGNER = "kubernetes.io/kubelet-serving"


async def check_cluster(
    plan: Plan, context: RolloutContext
) -> tuple[TrustedRoots, dict[str, Node]]:
    """The cluster is the plan's: by the UID of kube-system, its CA and its Nodes.

    Returns whom its pods trust, and the Nodes of the plan by name.

    Raises:
        StoppedBefore: it is another one, or a Node was made anew, or is not Ready.
    """
    trust = await check_identity(plan, context)
    nodes = {node.name: node for node in await context.api.list_all(NODES)}
    for planned in plan.nodes:
        node = nodes.get(planned.node)
        if why := not_the_node(planned, node):
            raise StoppedBefore(planned.node, why, "make a new plan")
        if node is not None and not node.ready:
            raise StoppedBefore(
                planned.node, "this Node is not Ready", "make a new plan without it"
            )
    return trust, {planned.node: nodes[planned.node] for planned in plan.nodes}


async def check_identity(plan: Plan, context: RolloutContext) -> TrustedRoots:
    """The cluster is the plan's, by the UID of kube-system and its CA. Returns whom its pods trust.

    Raises:
        StoppedBefore: it is another one.
    """
    where = f"context {context.api.access.context or 'service account'}"
    uid = (await context.api.get(NAMESPACES, "kube-system")).uid
    if uid != plan.cluster.cluster_uid:
        raise StoppedBefore(
            where, "this is not the cluster of the plan", f"the plan is for {plan.cluster.server}"
        )
    trust = await gather_trust(context.api, Inquiry(context.clock))
    if trust.value is None:
        why = trust.doubt.text if trust.doubt else "the cluster's CA is not known"
        raise StoppedBefore(where, why)
    if trust.value.sha256 != plan.cluster.ca_sha256:
        raise StoppedBefore(where, "the cluster's CA has changed since the plan", "make a new plan")
    return trust.value


def not_the_node(planned: NodePlan, node: Node | None) -> str:
    """Why this is not the Node of the plan; empty if it is."""
    if node is None:
        return "this Node is not there any more"
    return "" if node.uid == planned.uid else "this Node has been made anew since the plan"


async def check_rights(context: RolloutContext, *, config_map: bool) -> None:
    """We may do all that the run will do. Raises StoppedBefore naming what is lacking."""
    wanted = [
        ("update certificatesigningrequests/approval", ResourceAttributes(
            verb="update",
            group="certificates.k8s.io",
            resource="certificatesigningrequests",
            subresource="approval",
        )),
        (f"approve signers {_SIGNER}", ResourceAttributes(
            verb="approve", group="certificates.k8s.io", resource="signers", name=_SIGNER
        )),
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
        raise StoppedBefore(context.api.access.server, f"not allowed to {', '.join(lacking)}")


async def check_vantage(
    nodes: Iterable[NodePlan], trust: TrustedRoots | None, context: RolloutContext
) -> dict[str, Served]:
    """Every address can be dialled from here: else a good node could not be told from a bad one.

    Returns what each node serves at its first address.

    Raises:
        StoppedBefore: one cannot be dialled.
    """
    wanted = {target: node.node for node in nodes for target in targets_of(node)}
    found: dict[str, Served] = {}
    async with aclosing(dial(wanted, clock=context.clock)) as dialled:
        async for each in dialled:
            failure = each.failure
            if failure is not None and failure.kind in _SILENT:
                raise StoppedBefore(
                    each.target.node,
                    f"{each.target} cannot be dialled from here: {failure.go_text or failure.text}",
                    "run this where the nodes' addresses can be reached",
                )
            found.setdefault(each.target.node, judged(each, trust, context.clock))
    return found


async def survey_again(node: NodePlan, context: RolloutContext) -> NodeSurvey:
    """A survey of the plan's machine.

    Raises:
        StoppedBefore: it is another machine, or cannot be reached.
    """
    try:
        return await survey_machine(node, context)
    except NodeError as error:
        raise StoppedBefore(node.node, str(error)) from None


def as_planned(
    planned: NodePlan, node: Node, survey: NodeSurvey, served: Served, at: datetime
) -> NodeFacts:
    """What is known of the node now, its names and addresses as the plan has them.

    Those are judged when its request comes; here it is about its disk and its kubelet.
    """
    claims = [NodeAddress(type="Hostname", address=entry.value) for entry in planned.names]
    claims += [NodeAddress(type="InternalIP", address=entry.value) for entry in planned.addresses]
    status = msgspec.structs.replace(node.status, addresses=tuple(claims))
    known = {entry.value: entry.source for entry in (*planned.names, *planned.addresses)}
    return NodeFacts(
        node=msgspec.structs.replace(node, status=status),
        survey=survey,
        at=at,
        host_key=planned.host_key,
        confirmed=known,
        accepted=tuple(known),
        served=served,
        flags=(),
    )


def check_as_planned(planned: NodePlan, found: NodePlan | LeftOut) -> None:
    """What the node needs now is what the plan says.

    Raises:
        StoppedBefore: it is not.
    """
    if isinstance(found, LeftOut):
        raise StoppedBefore(planned.node, found.reason, "make a new plan")
    if found.config_sha256 != planned.config_sha256:
        seen = f"{planned.config or found.config} has been changed since the plan"
        raise StoppedBefore(planned.node, seen, "make a new plan")
    for what in ("change", "root", "pki", "config", "content_sha256"):
        now, then = getattr(found, what), getattr(planned, what)
        if now != then:
            seen = f"its {what} is now {now}, and was {then} in the plan"
            raise StoppedBefore(planned.node, seen, "make a new plan")


async def survey_machine(node: NodePlan, context: RolloutContext) -> NodeSurvey:
    """A survey of the plan's machine.

    Raises:
        StoppedBefore: it is another machine.
        NodeError: it cannot be reached.
    """
    carried = await context.transport.run_script(node.host, survey(), timeout=_SURVEY)
    if node.host_key and carried.host_key and carried.host_key != node.host_key:
        raise StoppedBefore(
            node.node,
            f"another ssh host key answers: {carried.host_key}",
            f"{node.host_key} is the plan's",
        )
    if why := not_the_machine(carried.answer, node.node, node.machine_id):
        raise StoppedBefore(node.node, why)
    return carried.answer
