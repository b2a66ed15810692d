"""The cluster's own names and addresses, which no kubelet's certificate may contain.

They come from sources that no worker node can write: the kubeconfig's server, kubeadm's
ClusterConfiguration, the API server's flags, ServiceCIDRs, Services and the endpoints of
`kubernetes`.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from kubevouch import goyaml
from kubevouch.evidence.measured import Doubt, Measured
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import ConfigMap

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """The cluster's own names and addresses. Each dict maps names or addresses to descriptions."""

    own_endpoints: dict[str, str]
    """Addresses of API servers (the endpoints of `kubernetes`). A control-plane node's own address is among them."""

    virtual: dict[str, str]
    """Names and addresses that never belong to a node: those of Services, and the API's load balancers and virtual IPs."""

    external: dict[str, str]
    """spec.externalIPs of Services. On bare metal these are often nodes' addresses. Whoever creates
    a Service can list any address."""

    services: dict[str, str]
    """NAME.NAMESPACE of every Service: the name that pods in other namespaces use."""

    service_networks: tuple[Network, ...]
    """Networks of Services; empty if unknown."""

    pod_networks: tuple[Network, ...]
    """Networks of pods, from ClusterConfiguration and kube-controller-manager's flags; empty if
    unknown."""

    domains: tuple[str, ...]
    """The cluster's DNS domain according to each source; empty if unknown."""

    doubts: tuple[Doubt, ...]
    """What could not be read, and why. If not empty, names may be missing."""

    loopback: LoopbackKubelets
    """Loopback addresses that belong to kubelets of this cluster, as declared by the operator."""

    load_balancers: dict[str, str] = field(default_factory=dict)
    """Names and addresses of Services' load balancers (status.loadBalancer). Some load balancers
    use a node's own address. Anybody who may write a Service's status can write any address."""


def with_more(
    names: ClusterNames,
    *,
    domains: Iterable[str] = (),
    service_networks: Iterable[Network] = (),
    pod_networks: Iterable[Network] = (),
) -> ClusterNames:
    """Adds names from a survey of the kubelets (clusterDomain) or from the operator."""
    return replace(
        names,
        domains=tuple(dict.fromkeys((*names.domains, *map(_domain, filter(None, domains))))),
        service_networks=tuple(dict.fromkeys((*names.service_networks, *service_networks))),
        pod_networks=tuple(dict.fromkeys((*names.pod_networks, *pod_networks))),
    )


def _domain(text: str) -> str:
    """The domain in lower case without leading and trailing dots, as kubelets use it (pkg/kubelet/network/dns/dns.go)."""
    return text.strip(".").lower()


@dataclass(frozen=True, slots=True)
class KubeadmNames:
    """The names in kubeadm's ClusterConfiguration; empty if there is no ClusterConfiguration."""

    service_networks: tuple[Network, ...] = ()
    pod_networks: tuple[Network, ...] = ()
    domain: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    """Why the ClusterConfiguration cannot be read; else empty."""


def kubeadm_names(found: Measured[ConfigMap]) -> KubeadmNames:
    """Reads the ConfigMap kube-system/kubeadm-config (cmd/kubeadm/app/apis/kubeadm, ClusterConfiguration)."""
    if found.value is None:
        return KubeadmNames()
    try:
        said = goyaml.read(found.value.data.get("ClusterConfiguration", "").encode())
    except goyaml.UnreadableYaml as error:
        return KubeadmNames(problem=f"ConfigMap kubeadm-config: ClusterConfiguration: {error.text}")
    if not isinstance(said, dict):
        return KubeadmNames(problem="ConfigMap kubeadm-config has no ClusterConfiguration")
    networking = said.get("networking")
    api_server = said.get("apiServer")
    sans = api_server.get("certSANs") if isinstance(api_server, dict) else None
    endpoints = {
        str(san): "a name in the API server's certificate"
        for san in (sans if isinstance(sans, list) else ())
    }
    if host := _host(_text(said, "controlPlaneEndpoint")):
        endpoints[host] = "the control plane's endpoint"
    return KubeadmNames(
        networks_of(_text(networking, "serviceSubnet")),
        networks_of(_text(networking, "podSubnet")),
        _domain(_text(networking, "dnsDomain")),
        endpoints,
    )


def _text(within: goyaml.Value, key: str) -> str:
    value = within.get(key) if isinstance(within, dict) else None
    return value if isinstance(value, str) else ""


def _host(endpoint: str) -> str:
    """The host of an endpoint, HOST or HOST:PORT. An IPv6 address must be in brackets."""
    try:
        return urlsplit(f"//{endpoint}").hostname or ""
    except ValueError:
        return ""


def networks_of(subnets: str) -> tuple[Network, ...]:
    """The valid networks in a comma-separated list."""
    found = []
    for subnet in subnets.split(","):
        with contextlib.suppress(ValueError):
            found.append(ip_network(subnet.strip(), strict=False))
    return tuple(found)
