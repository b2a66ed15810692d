"""What no kubelet may be called: the cluster's own names and addresses, and what these are reserved for."""

import msgspec

from kubevouch.evidence.names import ClusterNames
from kubevouch.policy.claims import Address, AllowedNames, Network, as_address, plainest

_NAMES = {"kubernetes.default": "the API server"}
# Reserved in every cluster, whatever its domain is called.
_SUFFIXES = {
    ".kubernetes": "the API server",
    ".localhost": "every machine's own",
    ".svc": "a Service",
    ".cluster.local": "the cluster's own domain",
}


class ReservedNames(msgspec.Struct, frozen=True):
    """What no kubelet may be called: the cluster's own names and addresses, each with what it is."""

    names: dict[str, str] = {}
    suffixes: dict[str, str] = {}
    """DNS suffixes with their leading dot."""

    addresses: dict[Address, str] = {}
    networks: dict[Network, str] = {}
    external_addresses: dict[Address, str] = {}
    """Addresses that Services call external: a node may have its own by pin."""

    endpoint_addresses: dict[Address, str] = {}
    """Addresses of API servers: a control-plane node may have its own by pin."""

    loopback: frozenset[Address] = frozenset()
    """Loopback addresses that the operator lists as kubelets' here: only these are usable, nowhere else any."""

    shared: frozenset[Address] = frozenset()
    """Those of them that several kubelets have at ports of their own: no node's in particular, so no other node's."""

    doubts: tuple[str, ...] = ()
    """What could not be read: then the lists may lack something, and nothing passes by them."""


def reserved_of(cluster: ClusterNames) -> ReservedNames:
    """The cluster's own names and addresses."""
    names, addresses = _split(cluster.virtual)
    _, endpoints = _split(cluster.own_endpoints)
    _, external = _split(cluster.external)
    shared = cluster.loopback.shared & cluster.loopback.addresses
    return ReservedNames(
        names=names,
        suffixes={f".{cluster.domain}": "the cluster's own domain"},
        addresses=addresses,
        networks=dict.fromkeys(cluster.service_networks, "a Service"),
        external_addresses=external,
        endpoint_addresses={a: what for a, what in endpoints.items() if a not in shared},
        loopback=cluster.loopback.addresses,
        shared=shared,
        doubts=tuple(doubt.text for doubt in cluster.doubts),
    )


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
    """What a name or an address is reserved for. by_pin: this node may have it once it is pinned to it."""

    what: str
    by_pin: bool = False


def reserved_name(
    name: str, reserved: ReservedNames, allowed: AllowedNames | None
) -> Reservation | None:
    """What a name is reserved for, or None.

    A control plane may be reached by the name of its one node: that node may have it.
    """
    name = name.lower().rstrip(".")
    own = allowed is not None and allowed.control_plane and name == allowed.node
    if (what := (_NAMES | reserved.names).get(name)) and not own:
        return Reservation(what)
    for suffix, what in (_SUFFIXES | reserved.suffixes).items():
        if name.endswith(suffix) or name == suffix.removeprefix("."):
            return Reservation(what)
    return None


def reserved_address(
    address: Address, reserved: ReservedNames, allowed: AllowedNames | None
) -> Reservation | None:
    """What an address is reserved for, or None.

    A pin (proof, or the operator's word) gives a node what Services call external, and gives a control-plane node
    what an API server says is its own.
    """
    address = plainest(address)
    if what := reserved.addresses.get(address):
        return Reservation(what)
    for network, what in reserved.networks.items():
        if address.version == network.version and address in network:
            return Reservation(what)
    claim = allowed.claim(address) if allowed else None
    pinned = claim is not None and claim.source.is_pin
    if (what := reserved.external_addresses.get(address)) and not pinned:
        return Reservation(what, by_pin=claim is not None)
    control_plane = allowed is not None and allowed.control_plane
    if (what := reserved.endpoint_addresses.get(address)) and not (control_plane and pinned):
        return Reservation(what, by_pin=control_plane and claim is not None)
    return None
