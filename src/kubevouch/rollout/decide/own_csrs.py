"""Finds the serving CSRs that a node's own kubelet may have made. Pure.

Anybody who holds another client certificate for the node's name can also make CSRs. We ignore such
CSRs, so that they cannot delay the node.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import CREDENTIAL_ID, NODE_USER, certificate_id

Csrs = Sequence[CertificateSigningRequest]


def csrs_by_node(csrs: Iterable[CertificateSigningRequest]) -> Mapping[str, Csrs]:
    """Groups CSRs by the requesting node, and keeps their order."""
    found = defaultdict(list)
    for each in csrs:
        if each.spec.username.startswith(NODE_USER):
            found[each.spec.username.removeprefix(NODE_USER)].append(each)
    return found


def made_with(csr: CertificateSigningRequest) -> str:
    """The SHA-256 of the client certificate that the CSR's creator used. Empty if it is not recorded (before Kubernetes 1.32)."""
    return certificate_id(csr.spec.extra.get(CREDENTIAL_ID, ()))


def own_csrs(csrs: Csrs, certificates: Collection[str]) -> Csrs:
    """The node's CSRs whose creator used a client certificate on the node's disk. Returns all if no CSR records a certificate.

    certificates: the SHA-256 of the certificates on the disk.
    """
    if not any(map(made_with, csrs)):
        return csrs
    return [each for each in csrs if made_with(each) in certificates]


def csr_waits(csrs: Csrs, certificates: Collection[str]) -> bool:
    """Whether the newest CSR of a node's kubelet is neither approved, nor denied, nor failed.

    csrs: the node's CSRs, oldest first.
    """
    own = own_csrs(csrs, certificates)
    return bool(own) and not own[-1].status.conditions


def not_asked_yet(others: Csrs) -> str:
    """A message for a kubelet without a CSR. others: CSRs for this node that were created with another credential."""
    if not others:
        return "the kubelet has made no CSR yet"
    newest, more = others[-1].name, len(others) - 1
    which = f"{newest} and {more} more were" if more else f"{newest} was"
    return f"the kubelet has made no CSR yet: {which} made with a credential that is not on the node's disk"
