"""etcd's certificates, for clients and for peers, where it can be reached. No client certificate is shown to it."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from kubevouch.evidence.certificates import CertificateUse, FoundPart, NotRead
from kubevouch.evidence.gather.certificates.places import Place
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import flag_value, is_control_plane
from kubevouch.kube.resources import Node, Pod
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import CertificateKind

ETCD_AND_API_SERVERS = "component in (etcd, kube-apiserver)"
"""The labels of kubeadm's static pods."""

_KINDS = frozenset({CertificateKind.ETCD_MEMBER})
_PODS = "etcd: the pods that say where it listens"
_ADVERTISED = "kubeadm.kubernetes.io/etcd.advertise-client-urls"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def etcd_places(
    pods: Measured[tuple[Pod, ...]], nodes: Iterable[Node]
) -> tuple[tuple[Place, ...], FoundPart]:
    """Where to dial, and what cannot be."""
    if pods.doubt is not None:
        return (), FoundPart(not_read=(NotRead(_PODS, pods.doubt),))
    found: dict[tuple[str, int], Place] = {}
    believed = _believed(pods.or_else(()), nodes)
    for each in _places(believed):
        place = (each.target.address, each.target.port)
        if place not in found or not found[place].target.node:
            found[place] = each
    if found:
        return tuple(found.values()), FoundPart()
    has_pod = any(map(_is_etcds, believed))
    text = (
        "the pod does not say where it listens with TLS"
        if has_pod
        else "no pod on a control plane says where it listens with TLS"
    )
    return (), FoundPart(not_read=(NotRead("etcd", Doubt(DoubtKind.NOT_ASKED, text)),))


def _believed(pods: Iterable[Pod], nodes: Iterable[Node]) -> list[Pod]:
    """Those on control planes: any node may make a mirror pod of its own that calls itself etcd's."""
    names = {each.name for each in nodes if is_control_plane(each)}
    return [each for each in pods if each.spec.node_name in names]


def _is_etcds(pod: Pod) -> bool:
    return pod.metadata.labels.get("component") == "etcd"


def _places(pods: Iterable[Pod]) -> Iterator[Place]:
    for pod in pods:
        node, flags = pod.spec.node_name, _flags(pod)
        if _is_etcds(pod):
            said = flag_value(flags, "advertise-client-urls") or pod.metadata.annotations.get(
                _ADVERTISED, ""
            )
            yield from _of_urls(said, CertificateUse.ETCD_SERVER, node)
            peers = flag_value(flags, "initial-advertise-peer-urls") or ""
            yield from _of_urls(peers, CertificateUse.ETCD_PEER, node)
        else:
            # Of an etcd outside of the cluster, which runs on no node.
            urls = flag_value(flags, "etcd-servers") or ""
            yield from _of_urls(urls, CertificateUse.ETCD_SERVER, "")


def _flags(pod: Pod) -> tuple[str, ...]:
    return tuple(word for each in pod.spec.containers for word in (*each.command, *each.args))


def _of_urls(urls: str, use: CertificateUse, node: str) -> Iterator[Place]:
    """Those with TLS. A loopback address is the control plane's own, not this machine's."""
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
            # Its CA is on the disks of control planes only: the name is all that can be verified.
            yield Place(use=use, target=target, what=what, kinds=_KINDS, named=True)
