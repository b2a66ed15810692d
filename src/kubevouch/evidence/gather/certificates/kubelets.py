"""The serving certificate of every kubelet, as it answers on the wire."""

from collections.abc import Callable

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.resources import Node


async def kubelets_serving(
    nodes: Measured[tuple[Node, ...]],
    trust: TrustedRoots | None,
    *,
    clock: Clock,
    timeout: float,
    progress: Callable[[str], None],
) -> FoundPart:
    """What each kubelet presents, by a bare handshake. A node without an address is not read."""
    if nodes.value is None:
        doubt = nodes.doubt or Doubt(DoubtKind.FAILED, "the API server lists no nodes")
        return FoundPart(not_read=(NotRead("kubelets: the list of nodes", doubt),))
    wanted = tuple(targets(nodes.value, ADDRESS_TYPES_OF_MANIFESTS))
    served = await gather_served(wanted, trust, clock=clock, timeout=timeout, progress=progress)
    dialled = {each.node for each in wanted}
    doubt = Doubt(DoubtKind.FAILED, "the Node has no address")
    return FoundPart(
        tuple(_found(each) for each in served),
        tuple(
            NotRead(f"the kubelet of {node.name}", doubt, node.name)
            for node in nodes.value
            if node.name not in dialled
        ),
    )


def _found(served: Served) -> FoundCertificate:
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
    )
