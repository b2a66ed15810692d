"""API servers as each of their endpoints serves, and as the kubeconfig in use reaches them."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from kubevouch.evidence.certificates import CertificateUse, FoundPart, NotRead
from kubevouch.evidence.gather.certificates.places import Place
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.resources import EndpointSlice, Node
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import Certificate, CertificateKind, X509Error, read_certificates

_SLICES = "API servers: EndpointSlices of Service default/kubernetes"
_KINDS = frozenset({CertificateKind.APISERVER})


def api_server_places(
    slices: Measured[tuple[EndpointSlice, ...]],
    nodes: Iterable[Node],
    access: ClusterAccess,
    roots: tuple[Certificate, ...],
) -> tuple[tuple[Place, ...], FoundPart]:
    """Where to dial, and what cannot be. roots: the cluster's CA; empty if it is not known."""
    # A kubelet says itself which addresses it has: what a worker says does not count before a control plane's.
    by_belief = sorted(nodes, key=is_control_plane)
    named = {a.address: node.name for node in by_belief for a in node.status.addresses}
    targets = dict.fromkeys(_endpoints(slices.or_else(()), named))
    places = tuple(_place(each, roots, roots) for each in targets)
    not_read = () if slices.doubt is None else (NotRead(_SLICES, slices.doubt),)
    here = _of_kubeconfig(access, named)
    if here is None or _known(here, targets):
        return places, FoundPart(not_read=not_read)
    if access.proxy:
        doubt = Doubt(DoubtKind.NOT_ASKED, "it is reached through a proxy, which is not dialled")
        behind = NotRead(f"the API server at {here}", doubt)
        return places, FoundPart(not_read=(*not_read, behind))
    about = "as this kubeconfig reaches it"
    return (*places, _place(here, _own_roots(access), roots, about)), FoundPart(not_read=not_read)


def _place(
    target: Target,
    roots: tuple[Certificate, ...],
    ca: tuple[Certificate, ...],
    about: str = "",
) -> Place:
    return Place(
        use=CertificateUse.API_SERVER,
        target=target,
        what=f"the API server at {target}",
        about=about,
        roots=roots,
        ca=ca,
        kinds=_KINDS,
    )


def _endpoints(slices: Iterable[EndpointSlice], named: dict[str, str]) -> Iterator[Target]:
    for each in slices:
        for port in each.ports:
            for endpoint in each.endpoints:
                for address in endpoint.addresses:
                    yield Target(address, node=named.get(address, ""), port=port.port)


def _of_kubeconfig(access: ClusterAccess, named: dict[str, str]) -> Target | None:
    parts = urlsplit(access.server)
    host = parts.hostname
    if parts.scheme != "https" or not host:
        return None
    return Target(
        host, node=named.get(host, ""), port=parts.port or 443, server_name=access.server_name
    )


def _known(here: Target, targets: Iterable[Target]) -> bool:
    return any((here.address, here.port) == (each.address, each.port) for each in targets)


def _own_roots(access: ClusterAccess) -> tuple[Certificate, ...]:
    """Whom the kubeconfig trusts; empty for the machine's own authorities, and if it verifies nothing."""
    if access.roots is None or not access.verify:
        return ()
    try:
        return read_certificates(access.roots, access.cluster)
    except X509Error:
        return ()
