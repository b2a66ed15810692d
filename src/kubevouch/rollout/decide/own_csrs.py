"""Which serving CSRs of a node its own kubelet may have made. Pure.

Whoever has another client certificate of the node's name makes CSRs, too. Those are not judged: nobody holds up a node by
asking more often than its kubelet.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import CREDENTIAL_ID, NODE_USER, certificate_id

Csrs = Sequence[CertificateSigningRequest]


def csrs_by_node(csrs: Iterable[CertificateSigningRequest]) -> Mapping[str, Csrs]:
    """By node, what was asked in its name, in the same order."""
    found = defaultdict(list)
    for each in csrs:
        if each.spec.username.startswith(NODE_USER):
            found[each.spec.username.removeprefix(NODE_USER)].append(each)
    return found


def made_with(csr: CertificateSigningRequest) -> str:
    """SHA-256 of the client certificate that made it; empty where the API server does not say (before Kubernetes 1.32)."""
    return certificate_id(csr.spec.extra.get(CREDENTIAL_ID, ()))


def own_csrs(csrs: Csrs, certificates: Collection[str]) -> Csrs:
    """Those of a node that were made with a client certificate on its disk; all, where none says what made it.

    certificates: SHA-256.
    """
    if not any(map(made_with, csrs)):
        return csrs
    return [each for each in csrs if made_with(each) in certificates]


def csr_waits(csrs: Csrs, certificates: Collection[str]) -> bool:
    """Whether the newest CSR of a node's kubelet is undecided. csrs: of the node, oldest first."""
    own = own_csrs(csrs, certificates)
    return bool(own) and not own[-1].status.conditions


def not_asked_yet(others: Csrs) -> str:
    """What there is to say of a kubelet without a CSR. others: what was asked in the node's name by somebody else."""
    if not others:
        return "the kubelet has not asked yet"
    newest, more = others[-1].name, len(others) - 1
    which = f"{newest} and {more} more were" if more else f"{newest} was"
    return f"the kubelet has not asked yet: {which} made with another credential than the one on its disk"
