"""The serving certificate of every kubelet, as it answers on the wire."""

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.snapshot import Served
from kubevouch.kube.resources import Node


def kubelets_serving(nodes: Measured[tuple[Node, ...]], served: tuple[Served, ...]) -> FoundPart:
    """What each kubelet presents, by the bare handshakes. A node without an address was not read."""
    if nodes.value is None:
        doubt = nodes.doubt or Doubt(DoubtKind.FAILED, "the API server lists no nodes")
        return FoundPart(not_read=(NotRead("kubelets: the list of nodes", doubt),))
    dialled = {each.node for each in served}
    doubt = Doubt(DoubtKind.FAILED, "the Node has no address")
    return FoundPart(
        tuple(kubelet_serving(each) for each in served),
        tuple(
            NotRead(f"the kubelet of {node.name}", doubt, node.name)
            for node in nodes.value
            if node.name not in dialled
        ),
    )


def kubelet_serving(served: Served) -> FoundCertificate:
    """What one kubelet presents."""
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
        verdict=served.verdict,
        failure=failure.kind if failure else None,
    )
