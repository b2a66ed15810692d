"""The cluster's own names and addresses: what no kubelet may be called.

Read from what operators and controllers write, not nodes: the kubeconfig's server, kubeadm's ClusterConfiguration,
Services and the endpoints of `kubernetes`.
"""

import contextlib
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from kubevouch import goyaml
from kubevouch.evidence.measured import Doubt, Measured
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import ConfigMap


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


@dataclass(frozen=True, slots=True)
class KubeadmNames:
    """What its ClusterConfiguration tells; nothing where there is none."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    domain: str = "cluster.local"
    endpoints: dict[str, str] = field(default_factory=dict)


def kubeadm_names(found: Measured[ConfigMap]) -> KubeadmNames:
    """Reads the ConfigMap kube-system/kubeadm-config (cmd/kubeadm/app/apis/kubeadm, ClusterConfiguration)."""
    text = found.value.data.get("ClusterConfiguration", "") if found.value else ""
    try:
        said = goyaml.read(text.encode())
    except goyaml.UnreadableYaml:
        return KubeadmNames()
    networking = said.get("networking") if isinstance(said, dict) else None
    api_server = said.get("apiServer") if isinstance(said, dict) else None
    sans = api_server.get("certSANs") if isinstance(api_server, dict) else None
    endpoints = {
        str(san): "a name of the API server's certificate"
        for san in (sans if isinstance(sans, list) else ())
    }
    if host := _host(_text(said, "controlPlaneEndpoint")):
        endpoints[host] = "the control plane's endpoint"
    return KubeadmNames(
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
