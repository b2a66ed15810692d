"""What CSRs tell: the newest certificates that were issued to each kubelet, and what somebody else was given."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from kubevouch.evidence.authority import authority_of
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    IssuedForCsr,
    NotRead,
)
from kubevouch.evidence.gather.csrs import SERVING_SIGNER, by_age
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_certificates
from kubevouch.x509.kinds import NODE_PREFIX

_CLIENT_SIGNERS: Final = frozenset(
    {"kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kube-apiserver-client"}
)
NO_CSR: Final = Doubt(
    DoubtKind.NOT_ASKED, "no CSR of it is left; `kubevouch certs --via ssh` reads the file"
)

NEITHER_CSR_NOR_DISK: Final = Doubt(
    DoubtKind.NOT_ASKED, "no CSR of it is left, and no disk has shown it"
)


@dataclass(frozen=True, slots=True)
class IssuedByCsr:
    """What the CSRs of a cluster tell, by node. others: issued to somebody else, or to a node that is not there."""

    clients: dict[str, IssuedForCsr] = field(default_factory=dict)
    serving: dict[str, IssuedForCsr] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: tuple[tuple[str, Certificate], ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """CSRs whose certificate cannot be read, each with the reason."""


def issued_by_csr(csrs: Iterable[CertificateSigningRequest], nodes: Collection[str]) -> IssuedByCsr:
    """The newest of each node; what a newer one has replaced is left out. nodes: the names of all Nodes."""
    clients: dict[str, IssuedForCsr] = {}
    serving: dict[str, IssuedForCsr] = {}
    waiting: dict[str, tuple[str, ...]] = {}
    others: list[tuple[str, Certificate]] = []
    broken: list[tuple[str, str]] = []
    for csr in sorted(csrs, key=by_age):
        signer = csr.spec.signer_name
        if not csr.status.certificate:
            asks = csr.spec.username.removeprefix(NODE_PREFIX)
            if signer == SERVING_SIGNER and not csr.status.conditions and asks in nodes:
                waiting[asks] = (*waiting.get(asks, ()), csr.name)
            continue
        try:
            certificate = read_certificates(csr.status.certificate, f"csr {csr.name}")[0]
        except X509Error as error:
            broken.append((csr.name, str(error)))
            continue
        node = node_name_of(certificate)
        by_node = serving if signer == SERVING_SIGNER else clients
        if node in nodes and node is not None and signer in {SERVING_SIGNER, *_CLIENT_SIGNERS}:
            by_node[node] = IssuedForCsr(csr.name, certificate)
        else:
            others.append((csr.name, certificate))
    return IssuedByCsr(clients, serving, waiting, tuple(others), tuple(broken))


def certificates_of_csrs(
    csrs: Measured[tuple[CertificateSigningRequest, ...]],
    issued: IssuedByCsr,
    nodes: Iterable[Node],
    ca: tuple[Certificate, ...],
) -> FoundPart:
    """The client certificate of every kubelet, as far as its CSR is left; and what others were issued."""
    if csrs.doubt is not None:
        what = "client certificates of kubelets, and whatever else was issued: the list of CSRs"
        return FoundPart(not_read=(NotRead(what, csrs.doubt),))

    def found(
        use: CertificateUse, csr: str, certificate: Certificate | None, node: str, fault: str = ""
    ) -> FoundCertificate:
        return FoundCertificate(
            use,
            f"csr {csr}",
            csrs.vantage,
            csrs.at,
            node=node,
            chain=(certificate,) if certificate else (),
            fault=fault,
            authority=authority_of((certificate,), ca) if certificate else "",
        )

    client = CertificateUse.KUBELET_CLIENT
    return FoundPart(
        (
            *(
                found(client, each.csr, each.certificate, node)
                for node, each in issued.clients.items()
            ),
            *(found(CertificateUse.CSR, *each, node="") for each in issued.others),
            *(
                found(CertificateUse.CSR, csr, None, node="", fault=text)
                for csr, text in issued.broken
            ),
        ),
        tuple(
            NotRead(f"the kubelet's client certificate of {node.name}", NO_CSR, node.name)
            for node in nodes
            if node.name not in issued.clients
        ),
    )
