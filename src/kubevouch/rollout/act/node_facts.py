"""Facts about the nodes of a plan: what each node serves, its node lease, and the names that the plan allows."""

from collections.abc import Iterable
from datetime import datetime

from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.approvers import BY_US
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import Forbidden, NotFound
from kubevouch.kube.resources import CSRS, LEASES, CertificateSigningRequest, Node
from kubevouch.kubelet.dial_result import Target
from kubevouch.policy.csr import KUBELET_CLIENT
from kubevouch.policy.node_index import WrittenClaims
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.by_pod import asked_for_again
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.timeouts import HANDSHAKE_AT_A_GATE
from kubevouch.x509 import ExtKeyUsage, X509Error, misnamed, read_certificates, verify


async def served_by(
    context: RolloutContext, node: NodePlan, trust: TrustedRoots | None
) -> tuple[Served, ...]:
    """What the node's kubelet serves at the plan's addresses."""
    return await gather_served(
        targets_of(node), trust, clock=context.clock, timeout=HANDSHAKE_AT_A_GATE
    )


async def serves_well(context: RolloutContext, node: NodePlan, trust: TrustedRoots) -> bool:
    """Whether every address serves a trusted certificate of this node."""
    served = await served_by(context, node, trust)
    return bool(served) and all(
        not code_of(each)
        and each.dialled.leaf is not None
        and not misnamed(each.dialled.leaf, node.node)
        for each in served
    )


async def lease_time(context: RolloutContext, node: str) -> datetime | None:
    """When the kubelet last renewed its node lease; None if that cannot be read."""
    try:
        return (await context.api.get(LEASES, node, "kube-node-lease")).spec.renew_time
    except (NotFound, Forbidden):
        return None


async def asked_for_again_by_pod(context: RolloutContext, nodes: Iterable[Node]) -> dict[str, str]:
    """The nodes for which a pod's answer cannot be trusted, and why.

    Empty if scripts do not run in pods.
    """
    if context.transport.name != "pod":
        return {}
    csrs = await context.api.list_all(CSRS, field_selector=f"spec.signerName={KUBELET_CLIENT}")
    return asked_for_again(csrs, nodes)


def client_certificates_of(survey: NodeSurvey) -> frozenset[str]:
    """The SHA-256 of the kubelet's client certificate; empty if it cannot be read."""
    try:
        found = read_certificates(survey.identity.pem, "the kubelet's client certificate")
    except X509Error:
        return frozenset()
    return frozenset({found[0].fingerprint})


def not_of_the_cluster(survey: NodeSurvey, trust: TrustedRoots | None, at: datetime) -> str:
    """Why the kubelet's client certificate is not valid in this cluster; empty if it is."""
    try:
        leaf, *others = read_certificates(survey.identity.pem, "the kubelet's client certificate")
    except X509Error as error:
        return str(error)
    roots = trust.certificates if trust else ()
    usage = ExtKeyUsage.CLIENT
    verdict = verify(leaf, intermediates=others, roots=roots, name="", at=at, usage=usage)
    why = f"the kubelet's client certificate is not from this cluster: {verdict.go_text}"
    return "" if verdict.trusted else why


def approved_by_run(csr: CertificateSigningRequest, run: str) -> bool:
    """Whether this run approved the CSR, even if the API server's response was lost."""
    approved = csr.condition("Approved")
    return approved is not None and approved.reason == BY_US and f"run {run}:" in approved.message


def targets_of(node: NodePlan) -> Iterable[Target]:
    """The addresses where the kubelet must serve the new certificate."""
    return [Target(address, node=node.node, port=node.port) for address in node.dial]


def targets_now(node: NodePlan, live: Node) -> Iterable[Target]:
    """The planned addresses that the Node still has, with its current port.

    If there are none, returns the address that metrics-server would dial. An old or edited plan may
    have the address of another machine, which shows nothing about this node.
    """
    known = {each.address for each in live.status.addresses}
    found = [Target(each, node.node, live.kubelet_port) for each in node.dial if each in known]
    return found or targets([live], preferred_types(()))


def pins_of(nodes: Iterable[NodePlan]) -> WrittenClaims:
    """The proven names and addresses of all planned nodes. Each belongs to only one node."""
    pins = WrittenClaims()
    for each in nodes:
        entries = (*each.names, *each.addresses)
        pins.put(each.node, tuple(entry for entry in entries if entry.source.is_proof))
    return pins
