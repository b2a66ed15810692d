"""Kubelets' certificates: the serving certificates that they present, and the newest certificates in CSRs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    IssuedForCsr,
    NotRead,
    authority_of,
)
from kubevouch.evidence.gather.certificates.places import presented
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER, SERVING_SIGNER, csrs_for
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_certificates

NO_CSR: Final = Doubt(
    DoubtKind.NOT_ASKED,
    "the API server has no CSR for it; `kubevouch certs --via ssh` reads it from the node",
)


@dataclass(frozen=True, slots=True)
class IssuedByCsr:
    """The newest client and serving certificate of each node, from the CSRs that still exist."""

    clients: dict[str, IssuedForCsr]
    serving: dict[str, IssuedForCsr]


def issued_by_csr(csrs: Iterable[CertificateSigningRequest], nodes: Collection[str]) -> IssuedByCsr:
    """The newest client and serving certificate of each node in these CSRs.

    Skips unreadable certificates, and certificates for names that are not in `nodes`.
    """
    signed = [each for each in csrs if each.status.certificate]
    clients, serving = (csrs_for(signer, signed) for signer in (CLIENT_SIGNER, SERVING_SIGNER))
    return IssuedByCsr(_newest(clients, nodes), _newest(serving, nodes))


def _newest(
    csrs: Iterable[CertificateSigningRequest], nodes: Collection[str]
) -> dict[str, IssuedForCsr]:
    """The newest certificate of each node. csrs: oldest first."""
    found = {}
    for csr in csrs:
        try:
            certificate = read_certificates(csr.status.certificate, f"csr {csr.name}")[0]
        except X509Error:
            continue
        node = node_name_of(certificate)
        if node is not None and node in nodes:
            found[node] = IssuedForCsr(csr.name, certificate)
    return found


def clients_of_kubelets(
    csrs: Measured[tuple[CertificateSigningRequest, ...]],
    issued: IssuedByCsr,
    nodes: Iterable[Node],
    ca: tuple[Certificate, ...],
) -> FoundPart:
    """The client certificate of each kubelet whose CSR still exists."""
    if csrs.doubt is not None:
        what = "kubelets' client certificates, from the list of CSRs"
        return FoundPart(not_read=(NotRead(what, csrs.doubt),))
    return FoundPart(
        tuple(
            FoundCertificate(
                CertificateUse.KUBELET_CLIENT,
                f"csr {each.csr}",
                csrs.vantage,
                csrs.at,
                node=node,
                chain=(each.certificate,),
                authority=authority_of((each.certificate,), ca),
            )
            for node, each in issued.clients.items()
        ),
        tuple(
            NotRead(f"the kubelet client certificate of {node.name}", NO_CSR, node.name)
            for node in nodes
            if node.name not in issued.clients
        ),
    )


def kubelets_serving(
    nodes: Measured[tuple[Node, ...]],
    served: tuple[Served, ...],
    trust: TrustedRoots | None,
    issued: IssuedByCsr,
) -> FoundPart:
    """The certificate that each kubelet presents. A node without an address is listed as not read."""
    if nodes.value is None:
        doubt = nodes.doubt or Doubt(DoubtKind.FAILED, "the API server lists no nodes")
        return FoundPart(not_read=(NotRead("kubelets, from the list of nodes", doubt),))
    dialled = {each.node for each in served}
    doubt = Doubt(DoubtKind.FAILED, "the Node has no address")
    return FoundPart(
        tuple(presented_by_kubelet(each, trust, issued) for each in served),
        tuple(
            NotRead(f"the kubelet of {node.name}", doubt, node.name)
            for node in nodes.value
            if node.name not in dialled
        ),
    )


def presented_by_kubelet(
    served: Served, trust: TrustedRoots | None = None, issued: IssuedByCsr | None = None
) -> FoundCertificate:
    """The certificate that one kubelet presents. issued: certificates from CSRs; None if CSRs were not read."""
    return presented(
        CertificateUse.KUBELET_SERVING,
        str(served.dialled.target),
        served.dialled,
        verdict=served.verdict,
        authority=_authority(served, trust),
        issued=issued.serving.get(served.node) if issued else None,
    )


def _authority(served: Served, trust: TrustedRoots | None) -> str:
    """Which CA signed the certificate; "" if unknown.

    The cluster's CA signed all trusted certificates, so their signatures are not checked again.
    """
    if served.is_trusted:
        return str(CertificateUse.CLUSTER_CA)
    return authority_of(served.dialled.chain, trust.certificates) if trust else ""
