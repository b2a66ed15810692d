"""The certificates of a cluster: what each is for, where it was seen, who signed it, and what could not be read.

`inventory` and `diagnose` draw conclusions, such as the remaining life, how a certificate is renewed,
and what stops when it expires.
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
    """What a certificate is for, judged by its location. The value is kubeadm's name for it, if kubeadm has one.

    `x509.CertificateKind` instead classifies a certificate by its names and usages.
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
    """The client certificate of the kubeconfig that we use."""
    CA_BUNDLE = "caBundle"
    """The CA with which the API server verifies an aggregated API or a webhook."""
    WEBHOOK = "webhook"
    """The serving certificate of an aggregated API or a webhook."""


_USUAL_KINDS = {
    CertificateUse.API_SERVER: CertificateKind.APISERVER,
    CertificateUse.ETCD_SERVER: CertificateKind.ETCD_MEMBER,
    CertificateUse.ETCD_PEER: CertificateKind.ETCD_MEMBER,
    CertificateUse.METRICS_SERVER: CertificateKind.COMPONENT_SELF_SIGNED,
}
"""The kind of each server's certificate, unless an operator supplied another kind."""


@dataclass(frozen=True, slots=True)
class IssuedForCsr:
    """A certificate issued for a CSR. csr: the CSR's name."""

    csr: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate and where it was found, or why it could not be read.

    where: an address with port, a path, or an object such as `apiservice v1beta1.metrics.k8s.io`,
    as printed. root: the local folder that holds the node's file system, such as a backup; empty if
    that is `/`, or if no local folder was read. chain: the certificate, then other certificates
    from the same server or file; empty if unreadable. fault: what is wrong, such as an unreadable
    file, or a key of another certificate. missing: whether kubeadm expects this file but it does
    not exist. ca: the CA that should have signed the certificate ("ca", "etcd-ca" or
    "front-proxy-ca"). authority: which of these CAs signed it, by its signature; "" if another CA
    did, or if unknown. externally_managed: whether the control plane lacks the CA's key, so that
    kubeadm cannot renew the certificate; None if unknown. verdict: whether the presented chain is
    trusted; None if the CAs are unknown. failure: why the handshake failed. issued: the newest
    certificate that was issued to the same kubelet, if the API server still has its CSR.
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
        """The path on the node, if the node's disk was read."""
        return self.where.removeprefix(self.root)

    @property
    def certificate(self) -> Certificate | None:
        """The certificate; None if it is missing or unreadable."""
        return self.chain[0] if self.chain else None

    @property
    def is_usual(self) -> bool:
        """False if a dialled server's kind of certificate shows that an operator supplied it."""
        kind = _USUAL_KINDS.get(self.use)
        if self.vantage is not Vantage.DIALLED or self.certificate is None or kind is None:
            return True
        return classify(self.certificate) is kind


@dataclass(frozen=True, slots=True)
class NotRead:
    """A location that was not read. what: the certificate and its location, as printed.

    lacks: the entry of an expected file's certificate, without a chain; None for other locations.
    is_not_missed: True if no certificate belongs there, as with kubeadm's certificates on a worker.
    """

    what: str
    doubt: Doubt
    node: str = ""
    lacks: FoundCertificate | None = None
    is_not_missed: bool = False

    @property
    def is_ordinary(self) -> bool:
        """Whether this is normal, not a failure.

        Either no read was attempted, or most machines cannot reach the location.
        """
        return self.doubt.kind in {DoubtKind.NOT_ASKED, DoubtKind.OUT_OF_REACH}


@dataclass(frozen=True, slots=True)
class FoundPart:
    """The certificates from one source, and the locations that were not read."""

    found: tuple[FoundCertificate, ...] = ()
    not_read: tuple[NotRead, ...] = ()

    @classmethod
    def of(cls, parts: "Iterable[FoundPart]") -> "FoundPart":
        """Concatenates the parts in order."""
        listed = tuple(parts)
        return cls(
            tuple(each for part in listed for each in part.found),
            tuple(each for part in listed for each in part.not_read),
        )


@dataclass(frozen=True, slots=True)
class FoundCertificates:
    """All certificates that were found at one moment, and what could not be read.

    without_cluster: whether only disks were read. asked_disks: whether we also tried to
    read nodes' disks.
    """

    at: datetime
    found: tuple[FoundCertificate, ...]
    not_read: tuple[NotRead, ...] = ()
    without_cluster: bool = False
    asked_disks: bool = False


def verdict_on(
    chain: Sequence[Certificate], roots: Iterable[Certificate], name: str, at: datetime
) -> Verdict:
    """Verifies the chain like a client that trusts these roots and connects to a server with this name."""
    return verify(chain[0], intermediates=chain[1:], roots=roots, name=name, at=at)


_MAX_INTERMEDIATES = 10
"""The maximum number of intermediates whose signatures we check. A server may present more."""


def signing_roots(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """The roots that signed the leaf, directly or through intermediates.

    A CA that was renewed with the same key has several root certificates. others: the other
    certificates that the server presented or the file contains.
    """
    known, between, signed = tuple(roots), tuple(others)[:_MAX_INTERMEDIATES], [leaf]
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
    """The error of Go's crypto/x509 if none of the roots signed the leaf; "" if one of them did.

    The roots' validity and usages are ignored. others: the other certificates that the server
    presented or the file contains.
    """
    known, between = tuple(roots), tuple(others)
    if signing_roots(leaf, between, known):
        return ""
    at, usage = leaf.not_before, ExtKeyUsage.CLIENT
    return verify(leaf, intermediates=between, roots=known, name="", at=at, usage=usage).go_text


def authority_of(
    chain: Sequence[Certificate],
    roots: Iterable[Certificate],
    ca: str = CertificateUse.CLUSTER_CA,
) -> str:
    """Returns `ca` if one of the `roots` signed the chain's first certificate; else ""."""
    return str(ca) if chain and signing_roots(chain[0], chain[1:], roots) else ""
