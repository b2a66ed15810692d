"""How far to trust an answer from a pod. Pure.

Anybody who holds a client certificate for the node's name can forge the answer: the API server
lets them read the node's pods and write the status of these pods. A pod has no host key to check,
so its answer proves no address. If somebody has requested a second client certificate for the name,
we do not trust the answer at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.credentials import live_node
from kubevouch.policy.listed_credentials import KnownOfNode, ListedCredentials


@dataclass(frozen=True)
class WrittenNode:
    """What operators recorded about a node, in objects that no node can write.

    addresses: each with its source, the inventory or a pin. client_certificates: the SHA-256 of the
    client certificates in the node's pin; empty if there are none.
    """

    addresses: Mapping[str, NameSource] = field(default_factory=dict)
    client_certificates: frozenset[str] = frozenset()


def not_the_pinned_one(node: str, written: WrittenNode, found: frozenset[str]) -> str:
    """Why the pod's answer is not from the pinned node; empty if it is, or if none is pinned.

    found: the SHA-256 of the client certificates in the answer.
    """
    if not written.client_certificates or found & written.client_certificates:
        return ""
    return (
        "the pod's answer has a different client certificate than this node's pin; if that "
        f"certificate is the node's own, pin it: kubevouch approver pin {node} --via ssh"
    )


def asked_for_again(
    csrs: Iterable[CertificateSigningRequest], nodes: Iterable[Node]
) -> dict[str, str]:
    """Finds nodes for which somebody besides the kubelet has requested a client certificate.

    Returns a message for each. csrs: the CSRs for kubelets' client certificates. The API server
    keeps issued CSRs for an hour.
    """
    listed, found = ListedCredentials(csrs, told=True), {}
    for node in nodes:
        if at := listed.known(KnownOfNode(live_node(node))).doubted:
            found[node.name] = (
                "somebody else has requested a client certificate for this node's name "
                f"({at:%Y-%m-%d %H:%M:%S} UTC), so a pod may run on another machine; "
                "use --via ssh for this node"
            )
    return found
