"""The serving certificate of every kubelet, as it answers on the wire, and whether a newer one was issued to it."""

from kubevouch.evidence.authority import authority_of
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.gather.certificates.issued import IssuedByCsr
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.resources import Node


def kubelets_serving(
    nodes: Measured[tuple[Node, ...]],
    served: tuple[Served, ...],
    trust: TrustedRoots | None,
    issued: IssuedByCsr,
) -> FoundPart:
    """What each kubelet presents, by the bare handshakes. A node without an address was not read."""
    if nodes.value is None:
        doubt = nodes.doubt or Doubt(DoubtKind.FAILED, "the API server lists no nodes")
        return FoundPart(not_read=(NotRead("kubelets: the list of nodes", doubt),))
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
    """What one kubelet presents. issued: what CSRs say of it, if they were read."""
    dialled = served.dialled
    failure = dialled.failure
    return FoundCertificate(
        CertificateUse.KUBELET_SERVING,
        str(dialled.target),
        Vantage.DIALLED,
        dialled.at,
        node=served.node,
        chain=dialled.chain,
        fault=(failure.go_text or failure.text) if failure else "",
        authority=_authority(served, trust),
        verdict=served.verdict,
        failure=failure.kind if failure else None,
        issued=issued.serving.get(served.node) if issued else None,
        waiting=issued.waiting.get(served.node, ()) if issued else (),
    )


def _authority(served: Served, trust: TrustedRoots | None) -> str:
    """What is trusted is signed by them: of a fleet no signature is looked at twice."""
    if served.verdict is not None and served.verdict.trusted:
        return str(CertificateUse.CLUSTER_CA)
    return authority_of(served.dialled.chain, trust.certificates) if trust else ""
