"""The identity source `renewal`: the certificate that a kubelet already serves.

With this source, a CSR may request only the names and addresses in that certificate. A handshake
proves that the kubelet has the key of a certificate that the cluster issued. So the certificate
identifies the node at each address where it is served. All other rules still apply, so that a bad
certificate is not renewed forever. If another node claims a value, the CSR is held.
"""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult
from kubevouch.policy.claims import Address, AllowedNames, AskedNames, Claim, NameSource
from kubevouch.policy.csr import NODE_USER, NODES_GROUP
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.allowing import pin_that_helps
from kubevouch.x509 import Certificate, printable, unmapped, verify


@dataclass(frozen=True, slots=True)
class RenewalEvidence:
    """The results of the handshakes, one with each address in the CSR.

    roots: the CAs that sign kubelets' serving certificates. at: the time of verification.
    """

    dialled: tuple[DialResult, ...]
    roots: tuple[Certificate, ...]
    at: datetime


def allowed_by_renewal(
    live: Node, asked: AskedNames, evidence: RenewalEvidence
) -> AllowedNames | str:
    """The names and addresses in the served certificate, or why no valid certificate of this node was found."""
    node = live.name
    served: dict[Address, Certificate] = {}
    not_served: dict[Address, str] = {}
    asked_addresses = [unmapped(each) for each in asked.addresses]
    for address in asked_addresses:
        leaf = _leaf_of(node, address, evidence)
        if isinstance(leaf, str):
            not_served[address] = leaf
        else:
            served[address] = leaf
    if not served:
        return next(iter(not_served.values()), "the CSR requests no address that could be dialled")
    first = next(iter(served.values()))
    names = tuple(
        Claim(name, NameSource.NODE_NAME if name == node else NameSource.LIVE_CERTIFICATE)
        for name in dict.fromkeys(first.dns_names)
    )
    addresses = tuple(
        Claim(str(unmapped(each)), NameSource.LIVE_CERTIFICATE)
        for each in dict.fromkeys(first.ip_addresses)
    )
    has = {claim.value for claim in (*names, *addresses)}
    values = (*asked.names, *map(str, asked_addresses))
    unlisted = tuple(value for value in values if value not in has)
    return AllowedNames(
        node=node,
        names=names,
        addresses=addresses,
        control_plane=is_control_plane(live),
        outdated=_outdated(served, {a: why for a, why in not_served.items() if str(a) in has}),
        not_valid=HoldReason.NOT_SERVED,
        unlisted=unlisted,
        listed=f"the served certificate lacks it. {pin_that_helps(live, unlisted)}",
    )


def _outdated(served: dict[Address, Certificate], not_served: dict[Address, str]) -> str:
    if not_served:
        return "; ".join(not_served.values())
    if len(set(served.values())) > 1:
        where = ", ".join(map(str, served))
        return f"{where}: the served certificates differ"
    return ""


def _leaf_of(node: str, address: Address, evidence: RenewalEvidence) -> Certificate | str:
    found = next((each for each in evidence.dialled if _is_at(each, address)), None)
    if found is None:
        return f"{address}: not dialled"
    if found.failure is not None:
        return f"{address}: {found.failure.text}"
    if found.leaf is None:
        return f"{address}: no certificate is served"
    verdict = verify(
        found.leaf,
        intermediates=found.chain[1:],
        roots=evidence.roots,
        name="",
        at=evidence.at,
    )
    if not verdict.trusted:
        return f"{address}: {printable(verdict.go_text)}"
    subject = found.leaf.subject
    if subject.common_name != f"{NODE_USER}{node}" or subject.organizations != (NODES_GROUP,):
        return f"{address}: serves a certificate for {printable(subject.common_name) or 'nobody'}"
    return found.leaf


def _is_at(dialled: DialResult, address: Address) -> bool:
    try:
        return unmapped(ip_address(dialled.target.address)) == address
    except ValueError:
        return False
