"""The cluster's own names and addresses: what no kubelet may be called.

Read from what operators and controllers write, not nodes: the kubeconfig's server, kubeadm's ClusterConfiguration,
Services and the endpoints of `kubernetes`.
"""

import contextlib
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from kubevouch import goyaml
from kubevouch.evidence.measured import Asking, Doubt, Measured, together
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.client import ApiClient
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    SERVICES,
    ConfigMap,
    EndpointSlice,
    Service,
)

_SERVICE_OF = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """Names and addresses as texts, each with what it is."""

    own_endpoints: dict[str, str]
    """What API servers say of themselves (the endpoints of `kubernetes`): a control-plane node has its own among them."""

    virtual: dict[str, str]
    """Names and addresses of the API that are no API server's own (load balancers, virtual addresses), Services, load
    balancers of Services: no node's, ever."""

    external: dict[str, str]
    """spec.externalIPs of Services: on bare metal often nodes' own; anybody who may make a Service can name any."""

    service_networks: tuple[IPv4Network | IPv6Network, ...]
    domain: str
    """The cluster's DNS domain."""

    doubts: tuple[Doubt, ...]
    """What could not be read: the lists may then lack something."""

    loopback: LoopbackKubelets
    """Loopback addresses that the operator lists as kubelets' of this one cluster."""


async def gather_names(api: ApiClient, asking: Asking) -> ClusterNames:
    """Asks for all of it at the same time."""
    kubeadm: Measured[ConfigMap]
    services: Measured[tuple[Service, ...]]
    slices: Measured[tuple[EndpointSlice, ...]]
    kubeadm, services, slices = await together(
        asking.ask(api.get(CONFIG_MAPS, "kubeadm-config", "kube-system")),
        asking.ask(api.list_all(SERVICES)),
        asking.ask(
            api.list_all(ENDPOINT_SLICES, "default", label_selector=f"{_SERVICE_OF}=kubernetes")
        ),
    )
    said = _of_kubeadm(kubeadm)
    own = {
        address: "an API server"
        for each in slices.or_else(())
        for point in each.endpoints
        for address in point.addresses
    }
    virtual = dict(said.endpoints)
    if host := urlsplit(api.access.server).hostname:
        virtual[host] = "the API server, as this kubeconfig names it"
    external: dict[str, str] = {}
    for service in services.or_else(()):
        what = f"Service {service.namespace}/{service.name}"
        virtual.update(dict.fromkeys(service.addresses, what))
        external.update(dict.fromkeys(service.spec.external_ips, what))
    return ClusterNames(
        own_endpoints=own,
        virtual={name: what for name, what in virtual.items() if name not in own},
        external={name: what for name, what in external.items() if name not in virtual},
        service_networks=said.networks,
        domain=said.domain,
        doubts=tuple(each.doubt for each in (kubeadm, services, slices) if each.doubt is not None),
        loopback=api.access.loopback,
    )


@dataclass(frozen=True, slots=True)
class _Kubeadm:
    """What its ClusterConfiguration tells; nothing where there is none."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    domain: str = "cluster.local"
    endpoints: dict[str, str] = field(default_factory=dict)


def _of_kubeadm(found: Measured[ConfigMap]) -> _Kubeadm:
    text = found.value.data.get("ClusterConfiguration", "") if found.value else ""
    try:
        said = goyaml.read(text.encode())
    except goyaml.UnreadableYaml:
        return _Kubeadm()
    networking = said.get("networking") if isinstance(said, dict) else None
    api_server = said.get("apiServer") if isinstance(said, dict) else None
    sans = api_server.get("certSANs") if isinstance(api_server, dict) else None
    endpoints = {
        str(san): "a name of the API server's certificate"
        for san in (sans if isinstance(sans, list) else ())
    }
    if host := _host(_text(said, "controlPlaneEndpoint")):
        endpoints[host] = "the control plane's endpoint"
    return _Kubeadm(
        _networks(_text(networking, "serviceSubnet")),
        _text(networking, "dnsDomain") or "cluster.local",
        endpoints,
    )


def _text(within: goyaml.Value, key: str) -> str:
    value = within.get(key) if isinstance(within, dict) else None
    return value if isinstance(value, str) else ""


def _host(endpoint: str) -> str:
    """Of HOST or HOST:PORT, an IPv6 address in brackets."""
    try:
        return urlsplit(f"//{endpoint}").hostname or ""
    except ValueError:
        return ""


def _networks(subnets: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """One, or two with a comma between them."""
    found = []
    for subnet in subnets.split(","):
        with contextlib.suppress(ValueError):
            found.append(ip_network(subnet.strip(), strict=False))
    return tuple(found)
