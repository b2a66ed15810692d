"""Tracks CSRs: which kubelets wait for a certificate, since when, and their newest certificates.

Until a CSR is decided, its kubelet makes another CSR every 15 minutes. Old CSRs stay pending for a
day. So a kubelet waits if its newest CSR is pending. It has waited since the first CSR that it made
after its last decided CSR.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import KUBELET_CLIENT, KUBELET_SERVING, csr_of
from kubevouch.x509 import X509Error, node_name_of, read_certificates
from kubevouch.x509.kinds import node_of_user

SIGNERS: Final = (KUBELET_SERVING, KUBELET_CLIENT)


class IssuedServing(NamedTuple):
    """The newest serving certificate that was issued to a node."""

    begins: datetime
    fingerprint: str


class _Known(NamedTuple):
    signer: str
    asker: str
    created: datetime
    pending: bool


class Pending(NamedTuple):
    """How many kubelets wait for one signer's certificate, and when the first began to wait."""

    askers: int = 0
    since: datetime | None = None


class PendingCsrs:
    """Kubelets' CSRs by name."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self.issued: dict[str, IssuedServing] = {}
        """The newest serving certificate that was issued to each node. It is kept
        after its CSR is deleted, an hour after the approval."""

    def put(self, csr: CertificateSigningRequest) -> str:
        """Adds a new or changed CSR. Returns the node whose kubelet to dial again, or "".

        A kubelet is dialled again if it has made a serving CSR, since its certificate may have
        expired. It is also dialled again if a newer serving certificate was issued to it.
        """
        signer, created = csr.spec.signer_name, csr.metadata.creation_timestamp
        if signer not in SIGNERS or created is None:
            return ""
        decided = any(each.type in {"Denied", "Failed"} for each in csr.status.conditions)
        pending = not (decided or csr.status.certificate)
        is_new = csr.name not in self._known
        self._known[csr.name] = _Known(signer, _user_of(csr), created, pending)
        if signer != KUBELET_SERVING:
            return ""
        node = node_of_user(csr.spec.username)
        return node if node and pending and is_new else self._take_issued(csr)

    def remove(self, name: str) -> None:
        """Removes a CSR."""
        self._known.pop(name, None)

    def forget_node(self, name: str) -> None:
        """Drops the issued certificate of a deleted Node."""
        self.issued.pop(name, None)

    def pending(self) -> dict[str, Pending]:
        """The number of waiting kubelets for each signer, and when the first began to wait."""
        of_asker: dict[tuple[str, str], list[_Known]] = {}
        for each in self._known.values():
            of_asker.setdefault((each.signer, each.asker), []).append(each)
        found = {signer: Pending() for signer in SIGNERS}
        for (signer, _), csrs in of_asker.items():
            since = _waits_since(csrs)
            if since is not None:
                before = found[signer]
                first = since if before.since is None else min(since, before.since)
                found[signer] = Pending(before.askers + 1, first)
        return found

    def _take_issued(self, csr: CertificateSigningRequest) -> str:
        if not csr.status.certificate:
            return ""
        try:
            leaf = read_certificates(csr.status.certificate, csr.name)[0]
        except (X509Error, IndexError):
            return ""
        node = node_name_of(leaf)
        before = self.issued.get(node or "")
        if node is None or (before is not None and before.begins >= leaf.not_before):
            return ""
        self.issued[node] = IssuedServing(leaf.not_before, leaf.fingerprint)
        return node


def _user_of(csr: CertificateSigningRequest) -> str:
    """The user that the certificate is for. The requestor may be a bootstrap token that joining nodes share."""
    if csr.spec.signer_name == KUBELET_SERVING or (parsed := csr_of(csr).parsed) is None:
        return csr.spec.username
    return parsed.subject.common_name


def _waits_since(csrs: list[_Known]) -> datetime | None:
    """When the kubelet began to wait; None if its newest CSR is decided."""
    since = None
    for each in sorted(csrs, key=lambda each: each.created, reverse=True):
        if not each.pending:
            return since
        since = each.created
    return since


def pending_age(pending: Pending, at: datetime) -> float:
    """Seconds since the first waiting kubelet began to wait; 0 if no kubelet waits."""
    return 0.0 if pending.since is None else max(timedelta(), at - pending.since).total_seconds()
