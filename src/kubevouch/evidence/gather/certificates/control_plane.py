"""Reads serving certificates of API servers (each endpoint and the kubeconfig's address) and etcd. Sends no client certificate."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import CertificateUse, FoundPart, NotRead
from kubevouch.evidence.gather.certificates.authorities import (
    AUTHENTICATION,
    certificate_in_use,
    client_authorities,
)
from kubevouch.evidence.gather.certificates.places import Place, dial_places
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import flag_value, is_control_plane, on_control_planes
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    PODS,
    ConfigMap,
    EndpointSlice,
    Node,
    Pod,
    slices_of,
)
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import Certificate, X509Error, read_certificates

_SLICES = "API servers, from EndpointSlices of default/kubernetes"


def api_server_places(
    slices: Measured[tuple[EndpointSlice, ...]],
    nodes: Iterable[Node],
    access: ClusterAccess,
    roots: tuple[Certificate, ...],
) -> Iterator[Place | NotRead]:
    """The API servers to dial, and the API servers that cannot be dialled.

    roots: the cluster's CA; empty if unknown.
    """
    # A kubelet reports its own addresses, so a control-plane node's report overrides a worker's.
    by_belief = sorted(nodes, key=is_control_plane)
    named = {a.address: node.name for node in by_belief for a in node.status.addresses}
    targets = dict.fromkeys(_endpoints(slices.or_else(()), named))
    yield from (_place(each, roots, roots) for each in targets)
    if slices.doubt is not None:
        yield NotRead(_SLICES, slices.doubt)
    here = _of_kubeconfig(access, named)
    if here is None or _known(here, targets):
        return
    if access.proxy:
        doubt = Doubt(DoubtKind.NOT_ASKED, "not dialled, since requests go through a proxy")
        yield NotRead(f"the API server at {here}", doubt)
    else:
        yield _place(here, _own_roots(access), roots, "from the kubeconfig")


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
    """The kubeconfig's CAs; empty if it has no CA or disables verification."""
    if access.roots is None or not access.verify:
        return ()
    try:
        return read_certificates(access.roots, access.cluster)
    except X509Error:
        return ()


_ETCD_AND_API_SERVERS = "component in (etcd, kube-apiserver)"

_PODS = "etcd, from the list of control-plane pods"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def etcd_places(
    pods: Measured[tuple[Pod, ...]], nodes: Iterable[Node]
) -> Iterator[Place | NotRead]:
    """The etcd members to dial, and the members that cannot be dialled."""
    if pods.doubt is not None:
        yield NotRead(_PODS, pods.doubt)
        return
    found: dict[tuple[str, int], Place] = {}
    believed = on_control_planes(pods.or_else(()), nodes)
    for each in _places(believed):
        place = (each.target.address, each.target.port)
        if place not in found or not found[place].target.node:
            found[place] = each
    yield from found.values()
    if not found:
        text = "the flags of the control-plane pods contain no https URL of etcd"
        yield NotRead("etcd", Doubt(DoubtKind.NOT_ASKED, text))


def _places(pods: Iterable[Pod]) -> Iterator[Place]:
    for pod in pods:
        node, flags = pod.spec.node_name, _flags(pod)
        if pod.metadata.labels.get("component") == "etcd":
            clients = flag_value(flags, "advertise-client-urls") or ""
            yield from _of_urls(clients, CertificateUse.ETCD_SERVER, node)
            peers = flag_value(flags, "initial-advertise-peer-urls") or ""
            yield from _of_urls(peers, CertificateUse.ETCD_PEER, node)
        else:
            # An etcd outside the cluster, which runs on no node.
            urls = flag_value(flags, "etcd-servers") or ""
            yield from _of_urls(urls, CertificateUse.ETCD_SERVER, "")


def _flags(pod: Pod) -> tuple[str, ...]:
    return tuple(word for each in pod.spec.containers for word in (*each.command, *each.args))


def _of_urls(urls: str, use: CertificateUse, node: str) -> Iterator[Place]:
    """The TLS servers in these URLs.

    Skips loopback addresses, which only the control-plane node itself can dial.
    """
    for url in urls.split(","):
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            continue
        if parts.scheme == "https" and host and host not in _LOCAL:
            target = Target(host, node=node, port=port or 2379)
            whose = f" of {node}" if node else ""
            what = f"{use}{whose} at {target}"
            # Only control planes' disks have its CA, so the name is all that we can verify.
            yield Place(use=use, target=target, what=what, named=True)


async def gather_control_plane(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: tuple[Node, ...],
    ca: tuple[Certificate, ...],
    *,
    clock: Clock,
    timeout: float,
) -> FoundPart:
    """Serving certificates of API servers and etcd, and certificates for clients of the API server.

    The latter are the client CA, the front-proxy CA and the kubeconfig's client certificate.
    """
    published: Measured[ConfigMap]
    slices: Measured[tuple[EndpointSlice, ...]]
    pods: Measured[tuple[Pod, ...]]
    published, slices, pods = await together(
        inquiry.ask(api.get(CONFIG_MAPS, AUTHENTICATION, "kube-system")),
        inquiry.ask(
            api.list_all(ENDPOINT_SLICES, "default", label_selector=slices_of("kubernetes"))
        ),
        inquiry.ask(api.list_all(PODS, "kube-system", label_selector=_ETCD_AND_API_SERVERS)),
    )
    authorities, clients = client_authorities(published, ca)
    in_use = certificate_in_use(api.access.user, clients, ca, clock.now())
    servers = api_server_places(slices, nodes, api.access, ca)
    places = (*servers, *etcd_places(pods, nodes))
    return FoundPart.of(
        (authorities, in_use, await dial_places(places, clock=clock, timeout=timeout))
    )
