"""Whose names a kubelet's certificate has: those of its Node, as the kubelet itself asks for them, or of another."""

from typing import Final

from kubevouch.evidence.certificates import FoundCertificate
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.x509 import Certificate, misnamed, unmapped

MOST_CLAIMED: Final = 256
"""Names and addresses of a Node that are looked at: it writes them itself, and has room for tens of thousands."""


def misnaming(found: FoundCertificate) -> str:
    """Why what a kubelet presents is trusted, and yet not its node's: it may be another that answers there; else ""."""
    leaf, verdict = found.certificate, found.verdict
    is_trusted = verdict is not None and verdict.trusted
    return misnamed(leaf, found.node) if is_trusted and leaf is not None else ""


def addresses_missing(leaf: Certificate, node: Node) -> tuple[str, ...]:
    """Those of the Node's names and addresses that the certificate lacks (pkg/kubelet/certificate/kubelet.go).

    A kubelet that has one of its own making has nothing but its host name in it.
    """
    names = {name.lower() for name in leaf.dns_names}
    addresses = {unmapped(address) for address in leaf.ip_addresses}
    claimed = node.status.addresses[:MOST_CLAIMED]
    wanted = dict.fromkeys(each.address for each in claimed if each.address)

    def is_there(text: str) -> bool:
        address = as_address(text)
        return text.lower() in names if address is None else address in addresses

    return tuple(text for text in wanted if not is_there(text))
