"""The certificates of a cluster: what each is for, where it was seen, who signed it, and what could not be read.

Facts only. `inventory` and the rules of `diagnose` draw conclusions: remaining life, renewal, what
stops.
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
    """What a certificate is for, by its place; with kubeadm's name if kubeadm has one.

    The names and usages inside a certificate are another matter: `x509.CertificateKind`.
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
    # Unknown to kubeadm.
    KUBELET_SERVING = "kubelet-serving"
    KUBELET_CLIENT = "kubelet-client"
    METRICS_SERVER = "metrics-server"
    KUBECONFIG = "kubeconfig"
    """The client certificate of a kubeconfig that kubeadm does not know, such as the one in use
    here."""
    CA_BUNDLE = "caBundle"
    """The CA by which the API server verifies an aggregated API or a webhook."""
    WEBHOOK = "webhook"
    """The certificate of an aggregated API or a webhook."""


_USUAL_KINDS = {
    CertificateUse.API_SERVER: CertificateKind.APISERVER,
    CertificateUse.ETCD_SERVER: CertificateKind.ETCD_MEMBER,
    CertificateUse.ETCD_PEER: CertificateKind.ETCD_MEMBER,
    CertificateUse.METRICS_SERVER: CertificateKind.COMPONENT_SELF_SIGNED,
}
"""The kind of certificate that a program usually has."""


@dataclass(frozen=True, slots=True)
class IssuedForCsr:
    """A certificate issued for a CSR. csr: its name."""

    csr: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate at one place, or what was found there instead.

    where: the place, for a person: an address with port, a path, or an object such as `apiservice
    v1beta1.metrics.k8s.io`. root: the local folder from which the node's disk was read; empty for a
    place on the node itself. chain: the certificate first, then those presented or written with it.
    Empty if unreadable. fault: what is wrong there: it cannot be read, its key does not fit.
    missing: kubeadm expects a file that does not exist. ca: kubeadm's signer for this place ("ca",
    "etcd-ca", "front-proxy-ca"), as its table shows it. authority: the real signer, by a verified
    signature, in the same words; "" for others, or if unknown. externally_managed: None if the CA's
    key could not be looked for. verdict: on a chain from the wire, if the CAs are known. failure:
    how a handshake ended early. issued: the newest certificate for the same kubelet's port, if the
    API server still has its CSR.
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
        """The path on the node, if a disk was read."""
        return self.where.removeprefix(self.root)

    @property
    def certificate(self) -> Certificate | None:
        """The certificate itself; None if it cannot be read, or nothing was there."""
        return self.chain[0] if self.chain else None

    @property
    def is_usual(self) -> bool:
        """Whether it is of its program's usual kind.

        Somebody else has put any other kind on the wire.
        """
        kind = _USUAL_KINDS.get(self.use)
        if self.vantage is not Vantage.DIALLED or self.certificate is None or kind is None:
            return True
        return classify(self.certificate) is kind


@dataclass(frozen=True, slots=True)
class NotRead:
    """A place that was not read. what: the certificate and its place, for a person.

    lacks: what is known about the expected certificate, if one was expected. is_not_missed: nothing
    is there, as it should be.
    """

    what: str
    doubt: Doubt
    node: str = ""
    lacks: FoundCertificate | None = None
    is_not_missed: bool = False

    @property
    def is_ordinary(self) -> bool:
        """Whether nothing has failed: nobody asked for it, or most machines cannot reach it."""
        return self.doubt.kind in {DoubtKind.NOT_ASKED, DoubtKind.OUT_OF_REACH}


@dataclass(frozen=True, slots=True)
class FoundPart:
    """What one reader has found and could not read."""

    found: tuple[FoundCertificate, ...] = ()
    not_read: tuple[NotRead, ...] = ()

    @classmethod
    def of(cls, parts: "Iterable[FoundPart]") -> "FoundPart":
        """All parts in one, in order."""
        listed = tuple(parts)
        return cls(
            tuple(each for part in listed for each in part.found),
            tuple(each for part in listed for each in part.not_read),
        )


@dataclass(frozen=True, slots=True)
class FoundCertificates:
    """All that was found at one moment, and what could not be read.

    without_cluster: only disks were read. asked_disks: the nodes' disks were to be read as well.
    """

    at: datetime
    found: tuple[FoundCertificate, ...]
    not_read: tuple[NotRead, ...] = ()
    without_cluster: bool = False
    asked_disks: bool = False


def verdict_on(
    chain: Sequence[Certificate], roots: Iterable[Certificate], name: str, at: datetime
) -> Verdict:
    """The verdict of a client with these roots that calls a server by this name and gets this chain."""
    return verify(chain[0], intermediates=chain[1:], roots=roots, name=name, at=at)


_MOST_BETWEEN = 10
"""Certificates between leaf and root that are checked. The server chooses how many it presents."""


def signing_roots(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """The roots that signed it, or that signed an intermediate presented or written with it.

    There may be several with one key: somebody may have renewed the CA.
    """
    known, between, signed = tuple(roots), tuple(others)[:_MOST_BETWEEN], [leaf]
    # A self-signing kubelet presents its own CA. If no issuer is a root by name, no signature is
    # checked.
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
    """Why none of the roots has signed it, in Go's words; "" if one has.

    Their validity and usages do not count.

    others: certificates presented or written with it.
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
    """The word for the roots if one of them signed the first certificate; "" if none did, or it is unknown."""
    return str(word) if chain and signing_roots(chain[0], chain[1:], roots) else ""
