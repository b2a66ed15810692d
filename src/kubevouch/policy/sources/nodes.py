"""The entries about one node: in the inventory, in an operator's pin, or in the approver's own record."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from kubevouch import goyaml
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import claimed_values
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
"""The name prefix of the ConfigMaps with pins."""

RECORDED = "kubevouch-recorded"
"""The name prefix of the ConfigMaps with records. The approver may write no other ConfigMaps."""

_WHERE = f"{INVENTORY}, {INVENTORY_KEY}"
_MOST_NODES = 20_000
_Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


# The inventory: a document that the operator writes, without UIDs.


class InventoryNode(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One node of the inventory. machine_id: "" if not given."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    machine_id: str = ""


def read_inventory(text: str) -> Shard[InventoryNode] | Unreadable:
    """Parses the inventory. If it is unreadable, all CSRs are held, since it may list any node."""
    try:
        nodes = _nodes_in(text)
    except NotAnEntry as error:
        return Unreadable(_WHERE, error.seen, error.expected)
    found: dict[str, InventoryNode | Unreadable] = {}
    for node, said in nodes.items():
        try:
            checked_text(node, "node")
            found[node] = checked(said, InventoryNode, "expected names, addresses and machineId")
        except NotAnEntry as error:
            where, words = f"{_WHERE}, {node}", mentioned(str(said))
            found[node] = Unreadable(where, error.seen, error.expected, words)
    return Shard(found)


def _nodes_in(text: str) -> dict[str, goyaml.Value]:
    said = document_in(text, INVENTORY_SCHEMA)
    if strange := sorted(set(said) - {"schemaVersion", "nodes"}):
        raise NotAnEntry(f"{strange[0]!r}", "expected only schemaVersion and nodes")
    nodes = said.get("nodes")
    if not isinstance(nodes, dict):
        raise NotAnEntry(
            "no mapping of nodes", "expected nodes: {NAME: {names: [...], addresses: [...]}}"
        )
    if len(nodes) > _MOST_NODES:
        raise NotAnEntry(f"{len(nodes)} nodes", f"expected at most {_MOST_NODES}")
    return nodes


# Pins: an operator writes them where no node can write.


class PinnedNode(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One Node's names and addresses, as an operator pinned them. "" and () mean "not given"."""

    node: str
    uid: str = ""
    """The UID of the pinned Node; "" for any Node with this name."""

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    machine_id: str = ""
    client_certificates: tuple[_Fingerprint, ...] = ()
    """The SHA-256 of this node's own client certificates, whoever requested them."""

    pinned_at: Moment | None = None
    by: str = ""
    allowed: tuple[str, ...] = ()
    """The names and addresses from --allow. The Node may or may not claim them."""

    def __str__(self) -> str:
        when = f" on {self.pinned_at:%Y-%m-%d}" if self.pinned_at else ""
        return f"pinned{when}" + (f" by {self.by}" if self.by else "")


def read_pins(name: str, data: Mapping[str, str]) -> Shard[PinnedNode]:
    """Parses the pins in one ConfigMap."""
    return read_shard(name, data, read_pin, prefix=PINS)


def read_pin(node: str, raw: bytes) -> PinnedNode:
    """Parses one pin. Raises NotAnEntry if it is invalid."""
    pin = read_entry(node, raw, PinnedNode)
    check_nothing_twice(raw)  # people also write pins by hand
    if strangers := set(pin.allowed) - {*pin.names, *pin.addresses}:
        raise NotAnEntry(f"allowed: {min(strangers)}", "expected a pinned name or address")
    return pin


def written_pin(pin: PinnedNode) -> str:
    """The ConfigMap entry of a pin, as text. Raises NotAnEntry if `read_pin` rejects it."""
    return written_entry(pin.node, pin, read_pin)


class PinDifference(msgspec.Struct, frozen=True, rename="camel"):
    """How a pin and the live Node differ. "" and () mean "no difference"."""

    node: str
    recreated: str = ""
    """The Node's present UID, if the pin has another UID."""

    other_machine: str = ""
    """The Node's present machine-id, if the pin has another machine-id."""

    claimed: tuple[str, ...] = ()
    """Values that the Node claims but the pin does not contain, in the Node's order."""

    not_claimed: tuple[str, ...] = ()
    """Pinned values that the Node does not claim. Values from --allow are left out."""


def difference(pin: PinnedNode, node: Node) -> PinDifference:
    """How a pin and the live Node differ."""
    pinned = {*pin.names, *pin.addresses}
    claims = claimed_values(node)
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
    """The names and addresses that a rule for new nodes admitted for a Node."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    at: Moment
    rule: str
    """The rule's name pattern."""


class RecordedNode(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The approver's record of one Node."""

    node: str
    uid: str = ""
    """The UID of the recorded Node; "" while the Node does not exist."""

    admitted: Admitted | None = None
    """What the rule for new nodes admitted; None if it has not admitted the Node."""

    credentials: NodeCredentials = NodeCredentials()


def read_recorded(name: str, data: Mapping[str, str]) -> Shard[RecordedNode]:
    """Parses the records in one ConfigMap."""
    return read_shard(name, data, read_record, prefix=RECORDED)


def read_record(node: str, raw: bytes) -> RecordedNode:
    """Parses one record. Raises NotAnEntry if it is invalid."""
    record = read_entry(node, raw, RecordedNode)
    if record.admitted is None:
        return record
    return msgspec.structs.replace(record, admitted=with_checks(record.admitted))


def written_record(record: RecordedNode) -> str:
    """The ConfigMap entry of a record, as text. Raises NotAnEntry if `read_record` rejects it."""
    return written_entry(record.node, record, read_record)


def credentials_in(record: RecordedNode | Unreadable | None) -> NodeCredentials:
    """The recorded client certificates of a node.

    An unreadable record counts as that of a name which an earlier Node had, too.
    """
    if isinstance(record, Unreadable):
        return NodeCredentials(earlier=UNKNOWN_TIME)
    if record is None:
        return NodeCredentials()
    # The record was written before the watch showed the Node.
    uid = record.credentials.uid or record.uid
    return msgspec.structs.replace(record.credentials, uid=uid)
