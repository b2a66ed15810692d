"""Names and addresses of nodes, each with how we know: what a node claims, what is proven, what other nodes have."""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

from kubevouch.kube.resources import Node

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class NameSource(StrEnum):
    """How we know that a name or an address is a node's."""

    NODE_NAME = "the name of its Node object"
    SSH_HOST_KEY = "its ssh host key answered there"
    THIS_MACHINE = "an interface of this machine"
    OPERATOR = "the operator says so"
    NODE_STATUS = "only the node itself says so"

    @property
    def is_proof(self) -> bool:
        """A node writes its own status (NodeRestriction does not look at addresses): that proves nothing."""
        return self is not NameSource.NODE_STATUS

    @property
    def is_seen(self) -> bool:
        """We saw it ourselves. What another node claims does not take it away; from a flag's word it does."""
        return self in (NameSource.NODE_NAME, NameSource.SSH_HOST_KEY, NameSource.THIS_MACHINE)

    @property
    def is_pin(self) -> bool:
        """Good enough for an address that is also an API server's."""
        return self in (NameSource.SSH_HOST_KEY, NameSource.THIS_MACHINE, NameSource.OPERATOR)


class Claim(msgspec.Struct, frozen=True):
    """One name or address that a node may have in its certificate, and how we know."""

    value: str
    source: NameSource


class AllowedNames(msgspec.Struct, frozen=True):
    """The names and addresses that one node may have in its serving certificate."""

    node: str
    names: tuple[Claim, ...] = ()
    addresses: tuple[Claim, ...] = ()
    control_plane: bool = False
    """By a label that a node may not set on itself (node-role.kubernetes.io/*, NodeRestriction)."""

    trusts_node: bool = False
    """The operator takes the node's own word for NODE_STATUS claims."""


class ClaimedBy(msgspec.Struct, frozen=True):
    """Another node that has a name or address, and whether that is more than its own word."""

    node: str
    proven: bool

    def keeps_it_from(self, source: NameSource | None) -> bool:
        """Whether a node that has the same value by `source` is refused it. No flag overrides this."""
        return self.proven or source is None or not source.is_seen


class OtherNodes(msgspec.Struct, frozen=True):
    """What belongs to other nodes: each name and address, claimed or proven, and by which node."""

    names: dict[str, ClaimedBy] = {}
    addresses: dict[Address, ClaimedBy] = {}


def plainest(address: Address) -> Address:
    """The IPv4 address that a mapped one (::ffff:a.b.c.d) stands for, else the address: no comparison misses it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def as_address(text: str) -> Address | None:
    """An address in its plainest form, or None for a name."""
    try:
        return plainest(ip_address(text))
    except ValueError:
        return None


def claims_of(node: Node) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    """Names and addresses of a Node's status; of these only its own name is one that it cannot have chosen later."""
    names: dict[str, NameSource] = {}
    addresses: dict[str, NameSource] = {}
    for claim in node.status.addresses:
        address = as_address(claim.address)
        if address is not None:
            addresses.setdefault(str(address), NameSource.NODE_STATUS)
        elif claim.address:
            own = claim.address == node.name
            names[claim.address] = NameSource.NODE_NAME if own else NameSource.NODE_STATUS
    return (
        tuple(Claim(value, source) for value, source in names.items()),
        tuple(Claim(value, source) for value, source in addresses.items()),
    )


def other_nodes_of(
    node: str,
    nodes: Iterable[Node],
    shared: frozenset[Address],
    pinned: Iterable[tuple[str, Claim]] = (),
) -> OtherNodes:
    """What all nodes but `node` have. Proven are a Node's own name and what is pinned; the rest they say themselves.

    shared: addresses that several kubelets have at ports of their own (ReservedNames.shared): no node's in particular.
    pinned: (node, claim) that a plan or an operator gives to nodes.
    """
    found = tuple(nodes)
    claims = [
        (each.name, claim.address, False) for each in found for claim in each.status.addresses
    ]
    claims += [(each.name, each.name, True) for each in found]
    claims += [(owner, claim.value, claim.source.is_proof) for owner, claim in pinned]
    names: dict[str, ClaimedBy] = {}
    addresses: dict[Address, ClaimedBy] = {}
    for owner, value, proven in claims:
        if owner == node or not value:
            continue
        address = as_address(value)
        if address is None:
            if proven or value.lower() not in names:
                names[value.lower()] = ClaimedBy(owner, proven)
        elif address in shared:
            continue
        elif proven or address not in addresses:
            addresses[address] = ClaimedBy(owner, proven)
    return OtherNodes(names=names, addresses=addresses)
