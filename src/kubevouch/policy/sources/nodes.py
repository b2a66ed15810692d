"""What is written down of one node: the inventory lists it, an operator pinned it, or the approver itself recorded it."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from kubevouch import goyaml
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.policy.credentials import UNKNOWN_TIME, Moment, NodeCredentials
from kubevouch.policy.sources.stored import (
    NotAnEntry,
    Shard,
    Unreadable,
    check_nothing_twice,
    checked,
    checked_text,
    document_in,
    mentioned,
    read_entry,
    read_shard,
    with_checks,
    written_entry,
)

INVENTORY = "kubevouch-inventory"
INVENTORY_KEY = "inventory.yaml"
INVENTORY_SCHEMA = "kubevouch.inventory/1"

PINS = "kubevouch-pins"
"""Prefix of the ConfigMaps."""

RECORDED = "kubevouch-recorded"
"""Prefix of the ConfigMaps. The approver may write these and no others."""

_WHERE = f"{INVENTORY}, {INVENTORY_KEY}"
_MOST_NODES = 20_000
_Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


# The inventory: a document of the operator's. It says nothing about UIDs.


class InventoryNode(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One node of the inventory. machine_id "": not said."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    machine_id: str = ""


def read_inventory(text: str) -> Shard[InventoryNode] | Unreadable:
    """The inventory in the ConfigMap. One that is not readable as a whole may list any node, so it holds them all."""
    try:
        nodes = _nodes_in(text)
    except NotAnEntry as error:
        return Unreadable(_WHERE, error.seen, error.expected)
    found: dict[str, InventoryNode | Unreadable] = {}
    for node, said in nodes.items():
        try:
            checked_text(node, "node")
            found[node] = checked(
                said, InventoryNode, "names, addresses and machineId were expected"
            )
        except NotAnEntry as error:
            where, words = f"{_WHERE}, {node}", mentioned(str(said))
            found[node] = Unreadable(where, error.seen, error.expected, words)
    return Shard(found)


def _nodes_in(text: str) -> dict[str, goyaml.Value]:
    said = document_in(text, INVENTORY_SCHEMA)
    if strange := sorted(set(said) - {"schemaVersion", "nodes"}):
        raise NotAnEntry(f"{strange[0]!r}", "only schemaVersion and nodes were expected")
    nodes = said.get("nodes")
    if not isinstance(nodes, dict):
        raise NotAnEntry(
            "no mapping of nodes", "nodes: {NAME: {names: [...], addresses: [...]}} was expected"
        )
    if len(nodes) > _MOST_NODES:
        raise NotAnEntry(f"{len(nodes)} nodes", f"at most {_MOST_NODES} are read")
    return nodes


# Pins: written by an operator where no node can write.


class PinnedNode(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One Node's names and addresses, as an operator pinned them. "" and () mean: not said."""

    node: str
    uid: str = ""
    """The UID of the Node that was looked at. "": of any Node of that name."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    machine_id: str = ""
    client_certificates: tuple[_Fingerprint, ...] = ()
    """SHA-256 of client certificates that are this node's own, whoever asked for them."""

    pinned_at: Moment | None = None
    by: str = ""
    allowed: tuple[str, ...] = ()
    """Which of the names and addresses are the operator's own word (--allow), whatever the Node claims."""

    def __str__(self) -> str:
        when = f" on {self.pinned_at:%Y-%m-%d}" if self.pinned_at else ""
        return f"pinned{when}" + (f" by {self.by}" if self.by else "")


def read_pins(name: str, data: Mapping[str, str]) -> Shard[PinnedNode]:
    """The pins in one ConfigMap."""
    return read_shard(name, data, read_pin, prefix=PINS)


def read_pin(node: str, raw: bytes) -> PinnedNode:
    """One pin. Raises NotAnEntry."""
    pin = read_entry(node, raw, PinnedNode)
    check_nothing_twice(raw)  # people write pins by hand, too
    if strangers := set(pin.allowed) - {*pin.names, *pin.addresses}:
        raise NotAnEntry(
            f"allowed: {min(strangers)}", "one of the pinned names or addresses was expected"
        )
    return pin


def written_pin(pin: PinnedNode) -> str:
    """The text of a pin's entry. Raises NotAnEntry if it could not be read again."""
    return written_entry(pin.node, pin, read_pin)


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


# Records: what the rule for new nodes admitted, and client certificates.


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rule for new nodes admitted, once."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    at: Moment
    rule: str
    """The rule's pattern of names."""


class RecordedNode(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the approver wrote down of one Node."""

    node: str
    uid: str = ""
    """The UID of the Node that this is about; "" while the Node does not exist."""

    admitted: Admitted | None = None
    """None: the rule for new nodes has not decided about it."""

    credentials: NodeCredentials = NodeCredentials()


def read_recorded(name: str, data: Mapping[str, str]) -> Shard[RecordedNode]:
    """The entries of one ConfigMap."""
    return read_shard(name, data, read_record, prefix=RECORDED)


def read_record(node: str, raw: bytes) -> RecordedNode:
    """One entry. Raises NotAnEntry."""
    record = read_entry(node, raw, RecordedNode)
    if record.admitted is None:
        return record
    return msgspec.structs.replace(record, admitted=with_checks(record.admitted))


def written_record(record: RecordedNode) -> str:
    """The text of an entry. Raises NotAnEntry if it could not be read again."""
    return written_entry(record.node, record, read_record)


def credentials_in(record: RecordedNode | Unreadable | None) -> NodeCredentials:
    """What is recorded of a node's client certificates. What cannot be read may be about an earlier Node: no list opens for it."""
    if isinstance(record, Unreadable):
        return NodeCredentials(earlier=UNKNOWN_TIME)
    if record is None:
        return NodeCredentials()
    # It was written before the watch had shown the Node.
    uid = record.credentials.uid or record.uid
    return msgspec.structs.replace(record.credentials, uid=uid)
