"""What the rules are asked: one request, what its node may have, and what is everybody else's."""

from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import msgspec

from kubevouch.x509.request import SigningRequest

KUBELET_SERVING = "kubernetes.io/kubelet-serving"
NODE_USER = "system:node:"
NODES_GROUP = "system:nodes"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Source(StrEnum):
    """How we know that a name or an address is a node's."""

    NODE_NAME = "the name of its Node object"
    SSH_HOST_KEY = "its ssh host key answered there"
    THIS_MACHINE = "an interface of this machine"
    OPERATOR = "the operator says so"
    NODE_STATUS = "only the node itself says so"

    @property
    def is_proof(self) -> bool:
        """A node writes its own status (NodeRestriction does not look at addresses): that proves nothing."""
        return self is not Source.NODE_STATUS

    @property
    def is_seen(self) -> bool:
        """We saw it ourselves. What another node claims does not take it away; from a flag's word it does."""
        return self in (Source.NODE_NAME, Source.SSH_HOST_KEY, Source.THIS_MACHINE)

    @property
    def is_pin(self) -> bool:
        """Good enough for an address that is also an API server's."""
        return self in (Source.SSH_HOST_KEY, Source.THIS_MACHINE, Source.OPERATOR)


class Entry(msgspec.Struct, frozen=True):
    """One name or address that a node may have in its certificate, and how we know."""

    value: str
    source: Source


class Allowance(msgspec.Struct, frozen=True):
    """What one node may have in its serving certificate."""

    node: str
    names: tuple[Entry, ...] = ()
    addresses: tuple[Entry, ...] = ()
    control_plane: bool = False
    """By a label that a node may not set on itself (node-role.kubernetes.io/*, NodeRestriction)."""

    trusts_node: bool = False
    """The operator takes the node's own word for NODE_STATUS entries."""


class Owner(msgspec.Struct, frozen=True):
    """Another node that has a name or address, and whether that is more than its own word."""

    node: str
    proven: bool

    def keeps_it_from(self, source: Source | None) -> bool:
        """Whether it is refused to a node that is said by that source to have it, too. No flag overrides this."""
        return self.proven or source is None or not source.is_seen


class Others(msgspec.Struct, frozen=True):
    """What belongs to other nodes: each name and address, claimed or proven, and whose it is."""

    names: dict[str, Owner] = {}
    addresses: dict[Address, Owner] = {}


class Reserved(msgspec.Struct, frozen=True):
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


class Limits(msgspec.Struct, frozen=True):
    """Bounds of what a kubelet's request looks like."""

    pem_bytes: int = 8 * 1024
    names: int = 8
    addresses: int = 16
    keys: tuple[str, ...] = ("ECDSA P-256",)
    """The kubelet makes no other (client-go util/certificate/certificate_manager.go, generateCSR)."""

    lifetime: timedelta = timedelta(days=366)
    freshness: timedelta = timedelta(minutes=14)
    """A kubelet waits 15 minutes for a request and then drops its key (certificateWaitTimeout)."""


class Request(msgspec.Struct, frozen=True):
    """A request as the API server shows it. A bare PEM file has only the request itself: the rest is None."""

    name: str
    pem: bytes
    parsed: SigningRequest | None
    unreadable: str = ""
    """Why it is not parsed."""

    username: str | None = None
    groups: tuple[str, ...] | None = None
    signer: str | None = None
    usages: tuple[str, ...] | None = None
    expiration_seconds: int | None = None
    created: datetime | None = None
    conditions: tuple[str, ...] = ()
    """Types of the conditions that are there: Approved, Denied, Failed."""


class Question(msgspec.Struct, frozen=True):
    """All that the rules may look at."""

    request: Request
    at: datetime
    node_exists: bool | None
    """A Node of the requestor's name is there; None where that is not known."""

    allowance: Allowance | None
    """None: no source knows this node."""

    others: Others | None = Others()
    """None: the nodes of the cluster could not be read."""

    reserved: Reserved = Reserved()
    newest: str | None = None
    """Name of the newest serving request of the same requestor; None where that is not known."""

    kubelet_started: datetime | None = None
    limits: Limits = Limits()
