"""Facts about one node of a plan: what it serves, its CSRs, its lease, and the names that the plan allows it."""

from collections.abc import Iterable
from datetime import datetime

from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import Forbidden, NotFound
from kubevouch.kube.resources import LEASES, CertificateSigningRequest
from kubevouch.kubelet.dial_result import Target
from kubevouch.policy.claims import AllowedNames, Claim
from kubevouch.policy.csr import NODE_USER
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.x509 import X509Error, read_certificates

DIAL_TIMEOUT = 5.0


async def leaves_of(context: RolloutContext, node: NodePlan) -> frozenset[str]:
    """Fingerprints of what its kubelet serves at the addresses of the plan."""
    served = await gather_served(targets_of(node), None, clock=context.clock, timeout=DIAL_TIMEOUT)
    return frozenset(each.dialled.leaf.fingerprint for each in served if each.dialled.leaf)


async def lease_time(context: RolloutContext, node: str) -> datetime | None:
    """When the kubelet last renewed its lease; None where that cannot be read."""
    try:
        return (await context.api.get(LEASES, node, "kube-node-lease")).spec.renew_time
    except (NotFound, Forbidden):
        return None


async def csrs_of(context: RolloutContext, node: str) -> tuple[CertificateSigningRequest, ...]:
    """All serving CSRs of a node, oldest first."""
    user = f"{NODE_USER}{node}"
    return tuple(csr for csr in await list_csrs(context.api) if csr.spec.username == user)


def client_certificates_of(survey: NodeSurvey) -> frozenset[str]:
    """The fingerprint of the kubelet's client certificate; empty if it cannot be read."""
    try:
        found = read_certificates(survey.identity.pem, "the kubelet's client certificate")
    except X509Error:
        return frozenset()
    return frozenset({found[0].fingerprint})


def targets_of(node: NodePlan) -> Iterable[Target]:
    """The addresses at which its certificate must be served."""
    return [Target(address, node=node.node, port=node.port) for address in node.dial]


def allowed_names(node: NodePlan) -> AllowedNames:
    """What the plan lets the node have. Nothing that only the node itself says is in a plan without the operator's yes."""
    return AllowedNames(
        node=node.node,
        names=node.names,
        addresses=node.addresses,
        control_plane=node.control_plane,
    )


def pins_of(nodes: Iterable[NodePlan]) -> list[tuple[str, Claim]]:
    """(node, entry) of all planned nodes: what is proven to be one node's is no other's."""
    return [
        (each.node, entry)
        for each in nodes
        for entry in (*each.names, *each.addresses)
        if entry.source.is_proof
    ]
