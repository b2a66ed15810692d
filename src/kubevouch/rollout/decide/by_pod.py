"""What a node's answer by pod is worth. Pure.

It is the word of whoever holds a client certificate of the node's name: the API server hands pods to that one, and takes their
status from it. No host key stands behind it. So nothing of it proves an address, and it does not even count as the node's
own where a second such certificate may be about.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.credentials import live_node
from kubevouch.policy.listed_credentials import KnownOfNode, ListedCredentials


@dataclass(frozen=True)
class WrittenNode:
    """What operators have written down of a node, where no node can write.

    addresses: each with who says so: the inventory or a pin. client_certificates: SHA-256 of those that a pin names; empty:
    none is named.
    """

    addresses: Mapping[str, NameSource] = field(default_factory=dict)
    client_certificates: frozenset[str] = frozenset()


def not_the_pinned_one(node: str, written: WrittenNode, found: frozenset[str]) -> str:
    """Why whoever answers is not the pinned node; empty if it is, or if no certificate is pinned. found: of its disk, by its word."""
    if not written.client_certificates or found & written.client_certificates:
        return ""
    return (
        "who answers by pod shows another client certificate than the one that is pinned for this node; if it is the node's "
        f"own: kubevouch approver pin {node} --via ssh"
    )


def asked_for_again(
    csrs: Iterable[CertificateSigningRequest], nodes: Iterable[Node]
) -> dict[str, str]:
    """The nodes for whose name somebody else has got a second client certificate, and since when.

    csrs: for client certificates of kubelets. The API server keeps issued ones for an hour.
    """
    listed, found = ListedCredentials(csrs, told=True), {}
    for node in nodes:
        if at := listed.known(KnownOfNode(live_node(node))).doubted:
            found[node.name] = (
                f"somebody else has asked for a client certificate of this node's name ({at:%Y-%m-%d %H:%M:%S} UTC): by pod nobody "
                "can tell which machine answers; take --via ssh for it"
            )
    return found
