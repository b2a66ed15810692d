"""The cluster's own names and addresses: what no kubelet may be called.

Read from what operators and controllers write, not nodes: the kubeconfig's server, kubeadm's ClusterConfiguration,
Services and the endpoints of `kubernetes`.
"""

import contextlib
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from kubevouch import goyaml
from kubevouch.evidence.measured import Asking, Doubt, Measured, together
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

    endpoints: dict[str, str]
    """Where API servers are reached: a control-plane node may have its own by pin."""

    virtual: dict[str, str]
    """Services, load balancers, external addresses: no node's, ever."""

    service_networks: tuple[IPv4Network | IPv6Network, ...]
    domain: str
    """The cluster's DNS domain."""

    doubts: tuple[Doubt, ...]
    """What could not be read: the lists may then lack something."""


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
    networks, domain, endpoint = _of_kubeadm(kubeadm)
    endpoints = dict(endpoint)
    host = urlsplit(api.access.server).hostname
    if host:
        endpoints[host] = "the API server, as this kubeconfig names it"
    for each in slices.or_else(()):
        for point in each.endpoints:
            endpoints.update(dict.fromkeys(point.addresses, "an API server"))
    virtual: dict[str, str] = {}
    for service in services.or_else(()):
        what = f"Service {service.namespace}/{service.name}"
        virtual.update(dict.fromkeys(service.addresses, what))
    return ClusterNames(
        endpoints=endpoints,
        virtual=virtual,
        service_networks=networks,
        domain=domain,
        doubts=tuple(each.doubt for each in (services, slices) if each.doubt is not None),
    )


def _of_kubeadm(
    found: Measured[ConfigMap],
) -> tuple[tuple[IPv4Network | IPv6Network, ...], str, dict[str, str]]:
    """Service networks, DNS domain and control-plane endpoint of kubeadm's ClusterConfiguration; as far as it is one."""
    text = found.value.data.get("ClusterConfiguration", "") if found.value else ""
    try:
        said = goyaml.read(text.encode())
    except goyaml.Unreadable:
        said = None
    networking = said.get("networking") if isinstance(said, dict) else None
    host = _host(_text(said, "controlPlaneEndpoint"))
    return (
        _networks(_text(networking, "serviceSubnet")),
        _text(networking, "dnsDomain") or "cluster.local",
        {host: "the control plane's endpoint"} if host else {},
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
            found.append(ip_network(subnet.strip()))
    return tuple(found)
