"""What an operator pinned: the names and addresses of one Node, written where no node can write."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.policy.sources.stored import (
    VERSION,
    NotAnEntry,
    Shard,
    check_nothing_twice,
    checked_addresses,
    checked_certificates,
    checked_names,
    checked_text,
    decoded_entry,
    encoded_entry,
    read_shard,
)

PINS = "kubevouch-pins"
"""Prefix of the ConfigMaps."""


class PinnedNode(msgspec.Struct, frozen=True):
    """One Node's names and addresses, as an operator pinned them. "" and () mean: not said."""

    node: str
    uid: str
    """The UID of the Node that was looked at. "": of any Node of that name."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    machine_id: str = ""
    client_certificates: tuple[str, ...] = ()
    """SHA-256 of client certificates that are this node's own, whoever asked for them."""

    pinned_at: datetime | None = None
    by: str = ""
    allowed: tuple[str, ...] = ()
    """Which of the names and addresses are the operator's own word (--allow), whatever the Node claims."""

    def __str__(self) -> str:
        when = f" on {self.pinned_at:%Y-%m-%d}" if self.pinned_at else ""
        return f"pinned{when}" + (f" by {self.by}" if self.by else "")


class _StoredPin(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    v: int
    uid: str = ""
    names: list[str] = []
    addresses: list[str] = []
    machine_id: str = ""
    client_certificates: list[str] = []
    pinned_at: datetime | None = None
    by: str = ""
    allowed: list[str] = []


def read_pins(name: str, data: Mapping[str, str]) -> Shard[PinnedNode]:
    """The pins in one ConfigMap."""
    return read_shard(name, data, read_pin, prefix=PINS)


def read_pin(node: str, raw: bytes) -> PinnedNode:
    """One pin. Raises NotAnEntry."""
    stored = decoded_entry(raw, _StoredPin)
    check_nothing_twice(raw)  # people write pins by hand, too
    if stored.pinned_at is not None and stored.pinned_at.tzinfo is None:
        raise NotAnEntry(
            f"pinnedAt {stored.pinned_at}", "a moment with its offset from UTC was expected"
        )
    names, addresses = checked_names(stored.names), checked_addresses(stored.addresses)
    if strangers := set(stored.allowed) - {*names, *addresses}:
        raise NotAnEntry(
            f"allowed: {min(strangers)}", "one of the pinned names or addresses was expected"
        )
    return PinnedNode(
        node=node,
        uid=checked_text(stored.uid, "uid"),
        names=names,
        addresses=addresses,
        machine_id=checked_text(stored.machine_id, "machineId"),
        client_certificates=checked_certificates(stored.client_certificates),
        pinned_at=stored.pinned_at,
        by=checked_text(stored.by, "by"),
        allowed=tuple(stored.allowed),
    )


def written_pin(pin: PinnedNode) -> str:
    """The text of a pin's entry. Raises NotAnEntry if it could not be read again."""
    text = encoded_entry(
        _StoredPin(
            v=VERSION,
            uid=pin.uid,
            names=list(pin.names),
            addresses=list(pin.addresses),
            machine_id=pin.machine_id,
            client_certificates=list(pin.client_certificates),
            pinned_at=pin.pinned_at,
            by=pin.by,
            allowed=list(pin.allowed),
        )
    )
    read_pin(pin.node, text.encode())
    return text


class PinDifference(msgspec.Struct, frozen=True, rename="camel"):
    """What differs between a pin and the Node as it is now. "" and (): nothing."""

    node: str
    recreated: str = ""
    """The UID that the Node has now, if it is another."""

    other_machine: str = ""
    """The machine-id that the Node has now, if it is another."""

    claimed: tuple[str, ...] = ()
    """What the Node claims and the pin lacks, as the Node lists it."""

    not_claimed: tuple[str, ...] = ()
    """What the pin has and the Node does not claim, but for what the operator allowed."""


def difference(pin: PinnedNode, node: Node) -> PinDifference:
    """What differs between a pin and the live Node."""
    pinned = {*pin.names, *pin.addresses}
    claims = dict.fromkeys(
        each.address if as_address(each.address) is None else str(as_address(each.address))
        for each in node.status.addresses
        if each.address
    )
    machine_id = node.status.node_info.machine_id
    return PinDifference(
        node=node.name,
        recreated=node.uid if pin.uid and pin.uid != node.uid else "",
        other_machine=machine_id if pin.machine_id and pin.machine_id != machine_id else "",
        claimed=tuple(each for each in claims if each not in pinned),
        not_claimed=tuple(
            each
            for each in (*pin.names, *pin.addresses)
            if each not in claims and each != node.name and each not in pin.allowed
        ),
    )
