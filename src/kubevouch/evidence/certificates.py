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
from kubevouch.x509 import Certificate, ExtKeyUsage, Verdict, VerifyReason, verify
from kubevouch.x509.chains import ChainBuilder, signers_of


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


class RenewedBy(StrEnum):
    """Who replaces a certificate before it ends."""

    KUBEADM = "kubeadm"
    KUBELET = "the kubelet by itself"
    APPROVER = "the kubelet, if its CSR is approved"
    RESTART = "a restart of its program"
    CERT_MANAGER = "cert-manager"
    BY_HAND = "by hand"
    NOBODY = "nobody"
    NOT_KNOWN = "not known"


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
    not there. signed_beside: whether the CA beside it on
    the disk has signed it, as far as that can be told. ca: by whom kubeadm has it signed, in kubeadm's words ("ca", "etcd-ca",
    "front-proxy-ca"): what its table shows, whoever has signed it. authority: who has, by a signature that was verified, in the
    same words; "" for anybody else, and if nobody can tell.
    externally_managed: None where nobody could look whether the authority's key is there.
    verdict: of what was presented on the wire, where the authorities are known. failure: how a handshake ended early.
    renewed_by: None if it follows from the use alone. issued: the newest that was issued for the same kubelet's port, if the
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
    signed_beside: bool = True
    ca: str = ""
    authority: str = ""
    externally_managed: bool | None = False
    verdict: Verdict | None = None
    failure: FailureKind | None = None
    renewed_by: RenewedBy | None = None
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


@dataclass(frozen=True, slots=True)
class NotRead:
    """A place that was not read. what: the certificate and its place, for a person.

    shown_by: a command with which the operator sees why; empty if no command shows it. lacks: what is known about the certificate
    that was expected in this place, if one was. is_not_missed: nothing is there, as it should be.
    """

    what: str
    doubt: Doubt
    node: str = ""
    shown_by: tuple[str, ...] = ()
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


# By an authority of the roots that fails for one of these, the chain is signed all the same.
_OF_A_ROOT = frozenset({VerifyReason.EXPIRED, VerifyReason.NOT_YET_VALID})
# A chain that is complete was refused for one of these.
_OF_A_CHAIN = frozenset({VerifyReason.TRUSTED, VerifyReason.WRONG_USAGE})
# These are about all chains, and no word about a signature.
_OF_ALL_CHAINS = frozenset({VerifyReason.NAME_CONSTRAINT, VerifyReason.NO_VALID_CHAINS})


def signing_roots(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """Those of the roots that have signed it, else those that have signed what was presented, or written, with it and leads to it.

    Several, if they have one key: a CA may have been renewed with it.
    """
    known, between = tuple(roots), tuple(others)
    if (direct := signers_of(leaf, known)) or not between:
        return direct
    chains = ChainBuilder(known, between, leaf.not_before).chains(leaf)
    return tuple(dict.fromkeys(each[-1] for each in chains)) if isinstance(chains, list) else ()


def signature_failure(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> str:
    """Why none of the roots has signed it, in Go's words; "" if one has. When they end, and what they are for, does not count.

    others: what was presented, or written, with it. One of them that has ended ends Go's search before its own signature is
    looked at (`considerCandidate` in crypto/x509/verify.go): it proves nothing.
    """
    known = tuple(roots)
    verdict = verify(
        leaf,
        intermediates=others,
        roots=known,
        name="",
        at=leaf.not_before,
        usage=ExtKeyUsage.CLIENT,
    )
    is_root = verdict.reason in _OF_A_ROOT and verdict.at_fault in known
    if is_root or verdict.reason in _OF_A_CHAIN:
        return ""
    # Go tells what it met last, which may be about a certificate beside the root that has signed.
    if verdict.reason not in _OF_ALL_CHAINS and signers_of(leaf, known):
        return ""
    return verdict.go_text


def authority_of(
    chain: Sequence[Certificate],
    roots: Iterable[Certificate],
    word: str = CertificateUse.CLUSTER_CA,
) -> str:
    """The word for the roots if one of them has signed the first certificate; "" if none has, or nothing can be told."""
    known = tuple(roots)
    if not chain or not known or signature_failure(chain[0], chain[1:], known):
        return ""
    return str(word)
