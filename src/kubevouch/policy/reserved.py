"""What no kubelet may be called: the cluster's own names and addresses, and what these are reserved for."""

from ipaddress import ip_address, ip_network

import msgspec

from kubevouch.evidence.names import ClusterNames
from kubevouch.policy.claims import Address, AllowedNames, Network, as_address, plainest

_LOOPBACK = "loopback"
# What no node is reached at from elsewhere (IANA special-purpose registries, RFC 6890).
_UNUSABLE = {
    ip_network(text): what
    for text, what in {
        "0.0.0.0/8": "this network",
        "127.0.0.0/8": _LOOPBACK,
        "169.254.0.0/16": "link-local",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved, broadcast",
        "::/128": "unspecified",
        "::1/128": _LOOPBACK,
        "::ffff:0:0/96": "an IPv4 address in IPv6 clothes",
        "64:ff9b::/96": "an IPv4 address in IPv6 clothes",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    }.items()
}

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


def unusable(address: Address, reserved: ReservedNames) -> str | None:
    """Why no node is reached at such an address, or None."""
    for network, what in _UNUSABLE.items():
        if address.version == network.version and address in network:
            return None if what == _LOOPBACK and address in reserved.loopback else what
    return None


def reserved_name(name: str, reserved: ReservedNames, allowed: AllowedNames | None) -> str | None:
    """What a name is reserved for, or None.

    A control plane may be reached by the name of its one node: that node may have it.
    """
    name = name.lower().rstrip(".")
    own = allowed is not None and allowed.control_plane and name == allowed.node
    if (why := reserved.names.get(name)) and not own:
        return why
    for suffix, what in (_SUFFIXES | reserved.suffixes).items():
        if name.endswith(suffix) or name == suffix.removeprefix("."):
            return what
    return "the API server" if name.startswith("kubernetes.") else None


def reserved_address(
    address: Address, reserved: ReservedNames, allowed: AllowedNames | None
) -> str | None:
    """What an address is reserved for, or None."""
    address = plainest(address)
    if why := reserved.addresses.get(address):
        return why
    for network, what in reserved.networks.items():
        if address.version == network.version and address in network:
            return what
    if (why := reserved.external_addresses.get(address)) and not _is_pinned(address, allowed):
        return why
    why = reserved.endpoint_addresses.get(address)
    own = allowed is not None and allowed.control_plane and _is_pinned(address, allowed)
    return None if own else why


def _is_pinned(address: Address, allowed: AllowedNames | None) -> bool:
    """By more than the word of the node, and more than its name."""
    return allowed is not None and any(
        ip_address(claim.value) == address and claim.source.is_pin for claim in allowed.addresses
    )
