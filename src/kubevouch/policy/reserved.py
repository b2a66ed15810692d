"""Names and addresses that no kubelet may have, and what they are reserved for."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import pairwise

import msgspec

from kubevouch.evidence.names import ClusterNames, networks_of
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import Address, AllowedNames, Claim, Network, as_address
from kubevouch.x509 import unmapped

_NAMES = {"kubernetes.default": "the API server"}
# Reserved in every cluster, whatever its domain.
_SUFFIXES = {
    ".kubernetes": "the API server",
    ".localhost": "every machine's own",
    ".svc": "a Service",
    ".cluster.local": "the cluster's own domain",
}
_SYSTEM_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that every new cluster has. In other namespaces, tenants choose the names of Services."""

# The first labels of a machine's own name in /etc/hosts on Debian, Fedora and Red Hat, as in
# localhost.localdomain.
_LOCAL_NAMES = {"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}


class ReservedNames(msgspec.Struct, frozen=True):
    """Names and addresses that no kubelet may have, each with what it is reserved for."""

    names: dict[str, str] = {}
    services: dict[str, str] = {}
    """NAME.NAMESPACE of every Service. An entry also reserves the longer forms with .svc and a
    domain, and the names of the Service's pods (POD.NAME.NAMESPACE).

    The operator can allow a node to have the name of a tenant's Service, but not the name of a
    Service in a system namespace."""

    short_services: dict[str, str] = {}
    """Short names of tenants' Services, which pods of the same namespace use. A node still keeps its
    own name and host name. The operator can allow any of these names."""

    system_services: dict[str, str] = {}
    """Short names of Services in system namespaces. A node still keeps its own name and host name."""

    suffixes: dict[str, str] = {}
    """The cluster's domains as DNS suffixes, with their leading dot."""

    addresses: dict[Address, str] = {}
    networks: dict[Network, str] = {}
    namespaces: frozenset[str] = frozenset()
    """Namespaces with Services. They reserve every name that contains NAME.NAMESPACE.svc."""

    pod_networks: tuple[Network, ...] = ()
    """Networks of pods. The operator can allow a node to have an address in them, since pods and
    nodes share a network in some clusters."""

    external_addresses: dict[Address, str] = {}
    """External addresses of Services. A node may have one if the operator allows it or an ssh host key proves it."""

    load_balancer_names: dict[str, str] = {}
    """Names of Services' load balancers. Anybody who may write a Service's status can choose
    them, so only the operator can allow them."""

    load_balancer_addresses: dict[Address, str] = {}
    """Addresses of Services' load balancers. Only the operator can allow them: with kube-proxy in
    ipvs mode every node has them on an interface. So an ssh host key seen at such an address proves
    nothing."""

    endpoint_addresses: dict[Address, str] = {}
    """Addresses of API servers. A control-plane node may have one if the operator allows it or an ssh host key proves it."""

    loopback: frozenset[Address] = frozenset()
    """Loopback addresses that the operator lists for kubelets. No other loopback address is usable."""

    shared: frozenset[Address] = frozenset()
    """Loopback addresses that several kubelets use on different ports. No node owns them."""

    doubts: tuple[str, ...] = ()
    """What could not be read. If anything is listed here, no CSR passes, since the other fields may
    be incomplete."""


def reserved_of(cluster: ClusterNames, nodes: Iterable[Node]) -> ReservedNames:
    """The cluster's own names and addresses.

    nodes: if the cluster's pod networks are unknown, the spec.podCIDRs of these Nodes are used
    instead. Normally kube-controller-manager sets this field, to a part of the pod networks. But a
    kubelet can set it when it creates its Node: NodeRestriction does not check it
    (plugin/pkg/admission/noderestriction). If a kubelet sets a network that contains other nodes,
    the CSRs of those nodes are held unless they are pinned or in the inventory.
    """
    names, addresses = _split(cluster.virtual)
    _, endpoints = _split(cluster.own_endpoints)
    _, external = _split(cluster.external)
    balanced_names, balanced = _split(cluster.load_balancers)
    shared = cluster.loopback.shared & cluster.loopback.addresses
    services = {name.lower(): what for name, what in cluster.services.items()}
    short: dict[str, str] = {}
    system: dict[str, str] = {}
    for name, what in services.items():
        alone, _, namespace = name.partition(".")
        (system if namespace in _SYSTEM_NAMESPACES else short).setdefault(alone, what)
    named = networks_of(",".join(cidr for node in nodes for cidr in node.spec.pod_cidrs))
    return ReservedNames(
        names=names,
        services=services,
        short_services=short,
        system_services=system,
        suffixes={f".{domain}": "the cluster's own domain" for domain in cluster.domains},
        addresses=addresses,
        networks=dict.fromkeys(cluster.service_networks, "a Service"),
        namespaces=frozenset(name.partition(".")[2] for name in services),
        pod_networks=_collapsed(cluster.pod_networks or named),
        external_addresses=external,
        load_balancer_names=balanced_names,
        load_balancer_addresses=balanced,
        endpoint_addresses={a: what for a, what in endpoints.items() if a not in shared},
        loopback=cluster.loopback.addresses,
        shared=shared,
        doubts=(*(doubt.text for doubt in cluster.doubts), *_missing(cluster)),
    )


def _collapsed(networks: Sequence[Network]) -> tuple[Network, ...]:
    """Merges networks, since every node has a pod network, and every CSR is checked against all of them."""
    four = [each for each in networks if isinstance(each, IPv4Network)]
    six = [each for each in networks if isinstance(each, IPv6Network)]
    return (*collapse_addresses(four), *collapse_addresses(six))


def _missing(cluster: ClusterNames) -> Iterator[str]:
    if not cluster.service_networks:
        yield "cannot find the Service network: set --service-cidr, or serviceCIDRs in the approver's configuration"
    if not cluster.domains:
        yield "cannot find the cluster domain: set --cluster-domain, or clusterDomain in the approver's configuration"


def _split(values: dict[str, str]) -> tuple[dict[str, str], dict[Address, str]]:
    names: dict[str, str] = {}
    addresses: dict[Address, str] = {}
    for value, what in values.items():
        address = as_address(value)
        if address is None:
            names[value.lower().rstrip(".")] = what
        else:
            addresses[address] = what
    return names, addresses


class Reservation(msgspec.Struct, frozen=True):
    """What a name or address is reserved for. by_pin: whether an operator can still pin it to this node."""

    what: str
    by_pin: bool = False


def reserved_name(
    name: str, reserved: ReservedNames, allowed: AllowedNames | None
) -> Reservation | None:
    """What a name is reserved for, or None.

    A node may have its own metadata.name and the first label of that name, even if a Service has
    the same short name. A control-plane node may have its own name even if the control plane's
    endpoint has the same name. Only the operator can allow names of tenants' Services and of load
    balancers.
    """
    claim = allowed.claim(name) if allowed else None
    name = name.lower().rstrip(".")
    labels = name.split(".")
    if what := _by_the_cluster(name, labels, reserved, allowed):
        return Reservation(what)
    if claim is not None and claim.by_operator:
        return None
    what = reserved.load_balancer_names.get(name) or _service(labels, reserved)
    if not what and not _is_itself(name, allowed):
        what = reserved.short_services.get(name)
    return Reservation(what, by_pin=claim is not None) if what else None


def _is_itself(name: str, allowed: AllowedNames | None) -> bool:
    return allowed is not None and name in (allowed.node, allowed.node.partition(".")[0])


def _by_the_cluster(
    name: str, labels: list[str], reserved: ReservedNames, allowed: AllowedNames | None
) -> str | None:
    """What the cluster itself reserves a name for, or None. No flag overrides this."""
    own = allowed is not None and allowed.control_plane and name == allowed.node
    if (what := (_NAMES | reserved.names).get(name)) and not own:
        return what
    if labels[0] in _LOCAL_NAMES:
        return "every machine's own"
    what = _service(labels, reserved, _SYSTEM_NAMESPACES)
    if what or (not _is_itself(name, allowed) and (what := reserved.system_services.get(name))):
        return what
    for suffix, what in (_SUFFIXES | reserved.suffixes).items():
        if name.endswith(suffix) or name == suffix.removeprefix("."):
            return what
    return None


def _service(
    labels: list[str], reserved: ReservedNames, namespaces: frozenset[str] | None = None
) -> str | None:
    """What a DNS name is reserved for if a Service or one of its pods has it; otherwise None.

    namespaces: the Services' namespaces to check; None for all.

    Pods expand such names with the search domains NAMESPACE.svc.DOMAIN, svc.DOMAIN and DOMAIN
    (pkg/kubelet/network/dns/dns.go).
    """
    what = reserved.services.get(".".join(labels[-2:]))
    if what and (namespaces is None or labels[-1] in namespaces):
        return what
    for namespace, svc in pairwise(labels[1:]):
        checked = reserved.namespaces if namespaces is None else namespaces & reserved.namespaces
        if svc == "svc" and namespace in checked:
            return "a Service"
    return None


def reserved_address(
    address: Address, reserved: ReservedNames, allowed: AllowedNames | None
) -> Reservation | None:
    """What an address is reserved for, or None.

    A node may have a Service's external address if the operator allows it or an ssh host key proves
    it. The same applies to the API server's address on a control-plane node. Only the operator can
    allow a load balancer's or a pod's address.
    """
    address = unmapped(address)
    if what := reserved.addresses.get(address):
        return Reservation(what)
    for network, what in reserved.networks.items():
        if _within(address, (network,)):
            return Reservation(what)
    claim = allowed.claim(address) if allowed else None
    pinned = claim is not None and claim.source.is_pin
    if what := _from_outside(address, claim, reserved):
        return Reservation(what, by_pin=claim is not None)
    control_plane = allowed is not None and allowed.control_plane
    if (what := reserved.endpoint_addresses.get(address)) and not (control_plane and pinned):
        return Reservation(what, by_pin=control_plane and claim is not None)
    return None


def _from_outside(address: Address, claim: Claim | None, reserved: ReservedNames) -> str | None:
    """The Service or network that the address belongs to; None if the node may have the address."""
    said = claim is not None and claim.by_operator
    pinned = claim is not None and claim.source.is_pin
    if not pinned and (what := reserved.external_addresses.get(address)):
        return what
    if said:
        return None
    in_pods = _within(address, reserved.pod_networks)
    return reserved.load_balancer_addresses.get(address) or (
        "in a pod network" if in_pods else None
    )


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == each.version and address in each for each in networks)
