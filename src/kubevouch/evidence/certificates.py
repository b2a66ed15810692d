"""The certificates of a cluster: what each is for, where it was seen, who has signed it, and what could not be read.

Facts only. What follows from them (how long, who renews, what stops) is told by `inventory`, and by the rules of
`diagnose`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from kubevouch.tls import FailureKind
from kubevouch.x509 import (
    Certificate,
    CertificateKind,
    ExtKeyUsage,
    Verdict,
    classify,
    verify,
)
from kubevouch.x509.chains import signers_of


class CertificateUse(StrEnum):
    """What a certificate is for, by the place at which it was found; by kubeadm's name where kubeadm has one.

    The names and usages inside a certificate say something else: `x509.CertificateKind`.
    """

    ADMIN_CONF = "admin.conf"
    SUPER_ADMIN_CONF = "super-admin.conf"
    CONTROLLER_MANAGER_CONF = "controller-manager.conf"
    SCHEDULER_CONF = "scheduler.conf"
    API_SERVER = "apiserver"
    API_SERVER_ETCD_CLIENT = "apiserver-etcd-client"
    API_SERVER_KUBELET_CLIENT = "apiserver-kubelet-client"
    FRONT_PROXY_CLIENT = "front-proxy-client"
    ETCD_SERVER = "etcd-server"
    ETCD_PEER = "etcd-peer"
    ETCD_HEALTHCHECK_CLIENT = "etcd-healthcheck-client"
    CLUSTER_CA = "ca"
    ETCD_CA = "etcd-ca"
    FRONT_PROXY_CA = "front-proxy-ca"
    # What kubeadm does not show.
    KUBELET_SERVING = "kubelet-serving"
    KUBELET_CLIENT = "kubelet-client"
    METRICS_SERVER = "metrics-server"
    KUBECONFIG = "kubeconfig"
    """The client certificate of a kubeconfig that kubeadm does not know, such as the one in use here."""
    CA_BUNDLE = "caBundle"
    """The authority by which the API server verifies an aggregated API or a webhook."""
    WEBHOOK = "webhook"
    """What an aggregated API or a webhook serves."""


_USUAL_KINDS = {
    CertificateUse.API_SERVER: CertificateKind.APISERVER,
    CertificateUse.ETCD_SERVER: CertificateKind.ETCD_MEMBER,
    CertificateUse.ETCD_PEER: CertificateKind.ETCD_MEMBER,
    CertificateUse.METRICS_SERVER: CertificateKind.COMPONENT_SELF_SIGNED,
}
"""How a certificate looks that a program has from where it usually has it."""


@dataclass(frozen=True, slots=True)
class IssuedForCsr:
    """A certificate that was issued for a CSR. csr: its name."""

    csr: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate at one place, or what was there in place of one.

    where: the place, for a person: an address with its port, a path, or an object as `apiservice v1beta1.metrics.k8s.io`.
    root: the folder of this machine at which its node's disk was read; empty if the place is one of the node itself.
    chain: the certificate first, then what was presented or written with it. Empty if none can be read.
    fault: what is wrong at the place: it cannot be read, its key does not fit. missing: a file that kubeadm expects is
    not there. ca: by whom kubeadm has it signed, in kubeadm's words ("ca", "etcd-ca",
    "front-proxy-ca"): what its table shows, whoever has signed it. authority: who has, by a signature that was verified, in the
    same words; "" for anybody else, and if nobody can tell.
    externally_managed: None where nobody could look whether the authority's key is there.
    verdict: of what was presented on the wire, where the authorities are known. failure: how a handshake ended early.
    issued: the newest that was issued for the same kubelet's port, if the API server still has its CSR.
    """

    use: CertificateUse
    where: str
    vantage: Vantage
    at: datetime
    node: str = ""
    chain: tuple[Certificate, ...] = ()
    fault: str = ""
    missing: bool = False
    ca: str = ""
    authority: str = ""
    externally_managed: bool | None = False
    verdict: Verdict | None = None
    failure: FailureKind | None = None
    issued: IssuedForCsr | None = None
    root: str = ""

    @property
    def path(self) -> str:
        """The place as it is on the node, where a disk was read."""
        return self.where.removeprefix(self.root)

    @property
    def certificate(self) -> Certificate | None:
        """The certificate itself; None if it cannot be read, or nothing was there."""
        return self.chain[0] if self.chain else None

    @property
    def is_usual(self) -> bool:
        """Whether it looks as its program usually has it. What looks otherwise on the wire somebody else has put there."""
        kind = _USUAL_KINDS.get(self.use)
        if self.vantage is not Vantage.DIALLED or self.certificate is None or kind is None:
            return True
        return classify(self.certificate) is kind


@dataclass(frozen=True, slots=True)
class NotRead:
    """A place that was not read. what: the certificate and its place, for a person.

    lacks: what is known about the certificate that was expected in this place, if one was. is_not_missed: nothing is there, as it
    should be.
    """

    what: str
    doubt: Doubt
    node: str = ""
    lacks: FoundCertificate | None = None
    is_not_missed: bool = False

    @property
    def is_ordinary(self) -> bool:
        """Whether nothing has failed: nobody asked for it, or it is out of reach from most places."""
        return self.doubt.kind in {DoubtKind.NOT_ASKED, DoubtKind.OUT_OF_REACH}


@dataclass(frozen=True, slots=True)
class FoundPart:
    """What one reader has found, and what it could not read."""

    found: tuple[FoundCertificate, ...] = ()
    not_read: tuple[NotRead, ...] = ()

    @classmethod
    def of(cls, parts: "Iterable[FoundPart]") -> "FoundPart":
        """All of the parts, in their order."""
        listed = tuple(parts)
        return cls(
            tuple(each for part in listed for each in part.found),
            tuple(each for part in listed for each in part.not_read),
        )


@dataclass(frozen=True, slots=True)
class FoundCertificates:
    """All that was found at a moment, and what could not be read.

    without_cluster: only disks were looked at. asked_disks: those of a cluster's nodes were to be read as well.
    """

    at: datetime
    found: tuple[FoundCertificate, ...]
    not_read: tuple[NotRead, ...] = ()
    without_cluster: bool = False
    asked_disks: bool = False


def verdict_on(
    chain: Sequence[Certificate], roots: Iterable[Certificate], name: str, at: datetime
) -> Verdict:
    """What a client says that trusts these roots of a server which it calls by this name, and which presents this chain."""
    return verify(chain[0], intermediates=chain[1:], roots=roots, name=name, at=at)


_MOST_BETWEEN = 10
"""Certificates between a leaf and its root that are looked at: whoever presents them chooses how many there are."""


def signing_roots(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """Those of the roots that have signed it, else those that have signed what was presented, or written, with it and leads to it.

    Several, if they have one key: a CA may have been renewed with it.
    """
    known, between, signed = tuple(roots), tuple(others)[:_MOST_BETWEEN], [leaf]
    # A kubelet that signs for itself presents its own CA: no signature is looked at where no issuer is a root by its name.
    subjects = {root.raw.subject for root in known}
    if subjects.isdisjoint(each.raw.issuer for each in (leaf, *between)):
        return ()
    for each in signed:
        if found := signers_of(each, known):
            return found
        signed += [signer for signer in signers_of(each, between) if signer not in signed]
    return ()


def signature_failure(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> str:
    """Why none of the roots has signed it, in Go's words; "" if one has. When they end, and what they are for, does not count.

    others: what was presented, or written, with it.
    """
    known, between = tuple(roots), tuple(others)
    if signing_roots(leaf, between, known):
        return ""
    at, usage = leaf.not_before, ExtKeyUsage.CLIENT
    return verify(leaf, intermediates=between, roots=known, name="", at=at, usage=usage).go_text


def authority_of(
    chain: Sequence[Certificate],
    roots: Iterable[Certificate],
    word: str = CertificateUse.CLUSTER_CA,
) -> str:
    """The word for the roots if one of them has signed the first certificate; "" if none has, or nothing can be told."""
    return str(word) if chain and signing_roots(chain[0], chain[1:], roots) else ""
