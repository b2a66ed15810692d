"""The operator's inventory: a document that lists nodes with their names and addresses. It says nothing about UIDs."""

import msgspec

from kubevouch import goyaml
from kubevouch.policy.sources.stored import (
    NotAnEntry,
    Unreadable,
    checked_addresses,
    checked_names,
    checked_text,
    document_in,
    mentioned,
)

INVENTORY = "kubevouch-inventory"
INVENTORY_KEY = "inventory.yaml"
INVENTORY_SCHEMA = "kubevouch.inventory/1"

_WHERE = f"{INVENTORY}, {INVENTORY_KEY}"
_MOST_NODES = 20_000


class InventoryNode(msgspec.Struct, frozen=True):
    """One node of the inventory. machine_id "": not said."""

    node: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    machine_id: str = ""


class Inventory(msgspec.Struct, frozen=True):
    """The nodes of the inventory, each as a value or as Unreadable."""

    nodes: dict[str, InventoryNode | Unreadable] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """Why nodes of it cannot be read."""
        return tuple(str(each) for each in self.nodes.values() if isinstance(each, Unreadable))


class _Entry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    names: list[str] = []
    addresses: list[str] = []
    machine_id: str = ""


def read_inventory(text: str) -> Inventory | Unreadable:
    """The inventory in the ConfigMap. One that is not readable as a whole may list any node, so it holds them all."""
    try:
        nodes = _nodes_in(text)
    except NotAnEntry as error:
        return Unreadable(_WHERE, error.seen, error.expected)
    found: dict[str, InventoryNode | Unreadable] = {}
    for node, said in nodes.items():
        try:
            found[node] = _node(node, said)
        except NotAnEntry as error:
            where, words = f"{_WHERE}, {node}", mentioned(str(said))
            found[node] = Unreadable(where, error.seen, error.expected, words)
    return Inventory(found)


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


def _node(node: str, said: goyaml.Value) -> InventoryNode:
    try:
        entry = msgspec.convert(said, _Entry)
    except msgspec.ValidationError as error:
        raise NotAnEntry(str(error), "names, addresses and machineId were expected") from None
    return InventoryNode(
        checked_text(node, "node"),
        checked_names(entry.names),
        checked_addresses(entry.addresses),
        checked_text(entry.machine_id, "machineId"),
    )
