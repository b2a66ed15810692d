"""Names and addresses of nodes: what a node claims, what is proven, and what other nodes have."""

import functools
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import msgspec

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.policy.reasons import HoldReason
from kubevouch.x509 import unmapped

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class NameSource(StrEnum):
    """How we know that a name or address belongs to a node."""

    NODE_NAME = "the name of its Node object"
    SSH_HOST_KEY = "its ssh host key answered there"
    OPERATOR = "the operator says so"
    INVENTORY = "the operator's inventory lists it"
    PIN = "the operator has pinned it"
    LIVE_CERTIFICATE = "the certificate that it serves has it"
    NEW_NODE_RULE = "the rule for new nodes admits it"
    NODE_STATUS = "only the node itself says so"

    @property
    def is_proof(self) -> bool:
        """Whether this source proves that the value belongs to the node.

        A Node's status proves nothing: the kubelet writes it, and NodeRestriction does not check
        its addresses.
        """
        return self is not NameSource.NODE_STATUS

    @property
    def is_seen(self) -> bool:
        """Whether kubevouch itself saw the proof: the Node's name, or an ssh host key."""
        return self in (NameSource.NODE_NAME, NameSource.SSH_HOST_KEY)

    @property
    def is_pin(self) -> bool:
        """Whether it can allow a node an API server's address, or a Service's external address."""
        return self.is_operators or self is NameSource.SSH_HOST_KEY

    @property
    def is_operators(self) -> bool:
        """Whether the operator is the source, by a flag, the inventory or a pin."""
        return self is NameSource.OPERATOR or self.is_written

    @property
    def is_written(self) -> bool:
        """Whether the source is the inventory or a pin, which no node can write.

        A value in the inventory or a pin belongs to its node even if another node's status also
        claims it.
        """
        return self in (NameSource.INVENTORY, NameSource.PIN)


class Claim(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A node's claim to a name or address, and the source of the claim."""

    value: str
    source: NameSource
    confirmed: bool = False
    """Whether the operator also confirms the claim."""

    @property
    def by_operator(self) -> bool:
        """Whether the operator is the source of this claim, or confirms it."""
        return self.confirmed or self.source.is_operators

    @property
    def known_by(self) -> str:
        """The source in words, and whether the operator confirms the claim."""
        also = f"; {NameSource.OPERATOR}" if self.confirmed else ""
        return f"{self.source}{also}"

    def __str__(self) -> str:
        return f"{self.value} ({self.known_by})"


class AskedNames(msgspec.Struct, frozen=True):
    """The requested DNS names and IP addresses, in the CSR's spelling."""

    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """All names and addresses as text."""
        return (*self.names, *map(str, self.addresses))


class AllowedNames(msgspec.Struct, frozen=True):
    """The names and addresses that one node may have in its serving certificate."""

    node: str
    names: tuple[Claim, ...] = ()
    addresses: tuple[Claim, ...] = ()
    control_plane: bool = False
    """Whether this is a control-plane node, according to a label that NodeRestriction forbids
    kubelets to set."""

    outdated: str = ""
    """Why these claims are not valid now; empty if they are valid."""

    not_valid: HoldReason = HoldReason.PIN_OUTDATED
    """The reason code for `outdated`."""

    unlisted: tuple[str, ...] = ()
    """Values that the Node claims, or that its CSR requests, but the source does not list. Usually
    the Node has changed since the source was written."""

    listed: str = ""
    """An explanation or advice to print if a CSR requests an `unlisted` value."""

    def claim(self, value: str | Address) -> Claim | None:
        """The claim to this name (case-sensitive) or address; None if there is no claim."""
        if isinstance(value, str):
            return next((each for each in self.names if each.value == value), None)
        return next((each for each in self.addresses if _address(each.value) == value), None)

    @property
    def asked(self) -> AskedNames:
        """All names and addresses, as the kubelet will request them."""
        return AskedNames(
            names=tuple(claim.value for claim in self.names),
            addresses=tuple(ip_address(claim.value) for claim in self.addresses),
        )


class ClaimedBy(msgspec.Struct, frozen=True):
    """Another node that has or claims a name or address."""

    node: str
    proven: bool
    by_name: bool = False
    """Whether the only proof is the Node's own name. The holder of a bootstrap token can create a
    Node with any unused name, even an address. So another node's inventory entry or pin takes
    precedence."""

    by_rule: bool = False
    """Whether the only proof is that the rule for new nodes admitted the value. Another node's
    inventory entry or pin takes precedence. Otherwise the node that was admitted first has it."""

    by_pin: bool = False
    """Whether an operator has pinned the value to `node`."""

    @property
    def yields(self) -> bool:
        """Whether an inventory entry or pin of another node takes precedence over this proof."""
        return self.by_name or self.by_rule

    def goes_before(self, other: "ClaimedBy | None") -> bool:
        """Whether to report this node instead of `other`, which was found earlier.

        A proven claim goes before an unproven one. A proven claim that `yields` goes after one that
        does not. Otherwise, of two proven claims the one found later goes first, and of two
        unproven ones the one found earlier.
        """
        if other is None:
            return True
        return self.proven and (not other.proven or other.yields or not self.yields)


class OtherNodes(msgspec.Struct, frozen=True):
    """The names and addresses that other nodes have or claim."""

    names: dict[str, ClaimedBy] = {}
    addresses: dict[Address, ClaimedBy] = {}


def as_address(text: str) -> Address | None:
    """The address in canonical form; None if the text is a name."""
    if ":" not in text and text[:1] not in _DIGITS:
        return None  # faster than the parser
    try:
        return unmapped(_address(text))
    except ValueError:
        return None


_DIGITS: Final = frozenset("0123456789")

_LONGEST_KEPT = 64
"""The maximum length of a cached text. An address without a zone has at most 45 characters."""


def _address(text: str) -> Address:
    """Parses an address, with a cache, since many CSRs contain the same ones. Raises ValueError."""
    return _kept(text) if len(text) <= _LONGEST_KEPT else ip_address(text)


_kept = functools.lru_cache(maxsize=2048)(ip_address)


def claims_value(node: Node, value: str) -> bool:
    """Whether the value is the Node's name, or a name (case-sensitive) or address in its status."""
    wanted = canonical(value)
    return wanted == canonical(node.name) or wanted in claimed_values(node)


def canonical(text: str) -> str:
    """An address in canonical form; a name unchanged."""
    return str(as_address(text) or text)


def claimed_values(node: Node) -> tuple[str, ...]:
    """The names and addresses in a Node's status, in canonical form and without duplicates."""
    texts = (each.address for each in node.status.addresses if each.address)
    return tuple(dict.fromkeys(map(canonical, texts)))


def compared(text: str) -> str | Address:
    """The form in which values are compared: a name in lower case, an address in canonical form."""
    address = as_address(text)
    if address is not None:
        return address
    lower = text.lower()
    # Reuses the text if possible, since there are thousands.
    return text if text == lower else lower


def allowed_names_of(
    node: Node,
    *,
    seen: Mapping[str, NameSource] | None = None,
) -> AllowedNames:
    """The names and addresses in a Node's status.

    seen: the sources that prove values, by the value in canonical form.
    """
    proofs = seen or {}
    names: dict[str, Claim] = {}
    addresses: dict[str, Claim] = {}
    for value in claimed_values(node):
        address = as_address(value)
        is_name = address is None and value == node.name  # a Node may be named like an address
        own = NameSource.NODE_NAME if is_name else NameSource.NODE_STATUS
        claim = Claim(value, proofs.get(value, own))
        (names if address is None else addresses)[value] = claim
    return AllowedNames(
        node=node.name,
        names=tuple(names.values()),
        addresses=tuple(addresses.values()),
        control_plane=is_control_plane(node),
    )


def with_said(allowed: AllowedNames, said: Iterable[str]) -> AllowedNames:
    """Adds the values that the operator allows this node to have."""
    for value in said:
        address = as_address(value)
        if allowed.claim(value if address is None else address):
            continue
        claim = Claim(canonical(value), NameSource.OPERATOR)
        if address is None:
            allowed = msgspec.structs.replace(allowed, names=(*allowed.names, claim))
        else:
            allowed = msgspec.structs.replace(allowed, addresses=(*allowed.addresses, claim))
    return allowed


def confirmed(allowed: AllowedNames, said: Iterable[str]) -> AllowedNames:
    """Marks the claims that the operator confirms."""
    values = set(map(canonical, said))

    def with_operator(claim: Claim) -> Claim:
        if claim.source is NameSource.OPERATOR or claim.value not in values:
            return claim
        if not claim.source.is_proof:
            return Claim(claim.value, NameSource.OPERATOR)
        return Claim(claim.value, claim.source, confirmed=True)

    return msgspec.structs.replace(
        allowed,
        names=tuple(map(with_operator, allowed.names)),
        addresses=tuple(map(with_operator, allowed.addresses)),
    )


def written_by(owner: str, claim: Claim) -> ClaimedBy:
    """Converts a claim of `owner`, from the inventory, a pin, a record, a plan or --allow."""
    by_rule = claim.source is NameSource.NEW_NODE_RULE
    by_pin = claim.source is NameSource.PIN
    return ClaimedBy(owner, proven=claim.source.is_proof, by_rule=by_rule, by_pin=by_pin)
