"""Keeps the identity sources from watched ConfigMaps, and tells which nodes a change affects."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from kubevouch.kube.resources import ConfigMap
from kubevouch.policy.node_index import Value, WrittenClaims
from kubevouch.policy.sources.choice import IdentitySources, written_claims
from kubevouch.policy.sources.configuration import (
    CONFIGURATION,
    CONFIGURATION_KEY,
    ApproverConfiguration,
    read_configuration,
)
from kubevouch.policy.sources.nodes import (
    INVENTORY,
    INVENTORY_KEY,
    PINS,
    RECORDED,
    InventoryNode,
    PinnedNode,
    RecordedNode,
    read_inventory,
    read_pins,
    read_recorded,
)
from kubevouch.policy.sources.stored import MOST_ENTRIES, Shard, Unreadable, shard_names

T = TypeVar("T")

EVERY_NODE = None
"""Returned by `put`, `wrote` and `remove` if a change may affect any node."""

_DEFAULTS = ApproverConfiguration()
_PIN_SHARDS = frozenset(shard_names(PINS))
_RECORD_SHARDS = frozenset(shard_names(RECORDED))


def is_source(name: str) -> bool:
    """Whether a ConfigMap with this name is a source.

    The label does not matter: people who create a ConfigMap by hand may omit it.
    """
    return name in _PIN_SHARDS | _RECORD_SHARDS | {INVENTORY, CONFIGURATION}


class Shards(Generic[T]):
    """The entries of the sixteen ConfigMaps of one kind. read: parses a ConfigMap's name and data into a Shard."""

    def __init__(self, read: Callable[[str, Mapping[str, str]], Shard[T]]) -> None:
        self._read = read
        self._texts: dict[str, dict[str, int]] = {}
        """The hash of each entry's text, to detect changes."""

        self._shards: dict[str, dict[str, T | Unreadable]] = {}
        self.entries: dict[str, T | Unreadable] = {}
        """The entries by node. A readable entry takes precedence over an unreadable one."""

    def put(self, name: str, data: Mapping[str, str]) -> tuple[set[str], tuple[str, ...]]:
        """Replaces a ConfigMap. Returns the nodes with changed entries, and the ConfigMap's problems.

        Parses only changed entries.
        """
        before, known = self._shards.get(name, {}), self._texts.get(name, {})
        texts = {node: hash(text) for node, text in data.items()}
        if max(len(data), len(known)) > MOST_ENTRIES:  # too many entries, so all change
            known = {}
        unread = {node: text for node, text in data.items() if known.get(node) != texts[node]}
        found = self._read(name, unread).entries
        changed = {node: each for node, each in found.items() if before.get(node) != each}
        concerned = changed.keys() | (before.keys() - data.keys())
        after = {node: changed.get(node) or before[node] for node in data}
        self._texts[name], self._shards[name] = texts, after
        for node in concerned:
            self._merge(node)
        return set(concerned), Shard(after).problems

    def _merge(self, node: str) -> None:
        found = [shard[node] for shard in self._shards.values() if node in shard]
        if not found:
            self.entries.pop(node, None)
            return
        readable = [each for each in found if not isinstance(each, Unreadable)]
        self.entries[node] = readable[0] if readable else found[0]


@dataclass(slots=True)
class WatchedSources:
    """The configuration, inventory, pins and records in the watched ConfigMaps.

    `put`, `wrote` and `remove` return the affected nodes, or EVERY_NODE.
    """

    _pins: Shards[PinnedNode] = field(default_factory=lambda: Shards(read_pins))
    _recorded: Shards[RecordedNode] = field(default_factory=lambda: Shards(read_recorded))
    _shown: dict[str, int] = field(default_factory=dict)
    """The resourceVersion of each ConfigMap, as the watch last delivered it."""

    _wrote: dict[str, int] = field(default_factory=dict)
    """The resourceVersion of each ConfigMap that we wrote, until the watch delivers it."""

    written: WrittenClaims = field(default_factory=WrittenClaims)
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Why ConfigMaps, or entries in them, cannot be read; by the ConfigMap's name."""

    _touched: set[Value] = field(default_factory=set)
    current: IdentitySources = field(init=False)

    def __post_init__(self) -> None:
        self.current = IdentitySources(pins=self._pins.entries, recorded=self._recorded.entries)

    @property
    def configuration_or_default(self) -> ApproverConfiguration:
        """The configuration. While it is unreadable, the defaults: no CSR is approved then."""
        found = self.current.configuration
        return _DEFAULTS if isinstance(found, Unreadable) else found

    def pin_of(self, node: str, uid: str) -> PinnedNode | None:
        """The node's pin if it is readable, and has this UID or no UID; otherwise None."""
        pin = self._pins.entries.get(node)
        return pin if isinstance(pin, PinnedNode) and pin.uid in ("", uid) else None

    def records(self) -> Iterator[tuple[str, RecordedNode]]:
        """The approver's own records, by node."""
        for name, record in self._recorded.entries.items():
            if isinstance(record, RecordedNode):
                yield name, record

    def pinned_uids(self) -> Iterator[tuple[str, str]]:
        """The UIDs of pinned Nodes, by node."""
        for name, pin in self._pins.entries.items():
            if isinstance(pin, PinnedNode) and pin.uid:
                yield name, pin.uid

    def record(self, node: str) -> RecordedNode | Unreadable | None:
        """The approver's record of this node."""
        return self._recorded.entries.get(node)

    def put(self, found: ConfigMap) -> Collection[str] | None:
        """Handles a ConfigMap from the watch. Ignores ConfigMaps that are not sources.

        An older version than the one that we wrote ourselves is ignored. Any other older version is
        accepted, since etcd may have been restored from a backup.
        """
        number = found.metadata.version_number
        if number and number < self._wrote.get(found.name, 0):
            return ()
        self._wrote.pop(found.name, None)
        self._shown[found.name] = number
        return self._put(found.name, found.data)

    def wrote(self, found: ConfigMap) -> Collection[str] | None:
        """Handles a ConfigMap that we have just written.

        Ignores it if the watch has already delivered this version or a newer one.
        """
        number = found.metadata.version_number
        if number and number <= self._shown.get(found.name, 0):
            return ()
        self._wrote[found.name] = number
        return self._put(found.name, found.data)

    def remove(self, name: str) -> Collection[str] | None:
        """Removes a ConfigMap."""
        self._wrote.pop(name, None)
        self._shown.pop(name, None)
        return self._put(name, {})

    def _put(self, name: str, data: Mapping[str, str]) -> Collection[str] | None:
        if name in _PIN_SHARDS:
            return self._put_shard(name, data, self._pins)
        if name in _RECORD_SHARDS:
            return self._put_shard(name, data, self._recorded)
        if name == INVENTORY:
            self._put_inventory(data.get(INVENTORY_KEY))
            return EVERY_NODE
        if name == CONFIGURATION:
            self._put_configuration(data.get(CONFIGURATION_KEY))
            return EVERY_NODE
        return ()

    def _put_shard(self, name: str, data: Mapping[str, str], shards: Shards[T]) -> Collection[str]:
        concerned, problems = shards.put(name, data)
        self._note(name, problems)
        for node in concerned:
            self._touched |= self.written.put(node, written_claims(self.current, node))
        return concerned

    def take_touched(self) -> set[Value]:
        """Names and addresses that were added to or removed from pins or records since the last call.

        CSRs of other nodes may request them, and must then be decided again.
        """
        touched, self._touched = self._touched, set()
        return touched

    def _put_inventory(self, text: str | None) -> None:
        found = None if text is None else read_inventory(text)
        self._note(INVENTORY, _problems(found))
        self.current = msgspec.structs.replace(self.current, inventory=found)
        self._rebuild()

    def _put_configuration(self, text: str | None) -> None:
        found = ApproverConfiguration() if text is None else read_configuration(text)
        self._note(CONFIGURATION, _problems(found))
        self.current = msgspec.structs.replace(self.current, configuration=found)
        self._rebuild()

    def _rebuild(self) -> None:
        inventory = self.current.inventory
        listed = inventory.entries if isinstance(inventory, Shard) else {}
        self.written = WrittenClaims()
        for node in {*listed, *self._pins.entries, *self._recorded.entries}:
            self.written.put(node, written_claims(self.current, node))

    def _note(self, name: str, problems: tuple[str, ...]) -> None:
        if problems:
            self.problems[name] = problems
        else:
            self.problems.pop(name, None)


def _problems(
    found: Shard[InventoryNode] | ApproverConfiguration | Unreadable | None,
) -> tuple[str, ...]:
    if found is None:
        return ()
    return (str(found),) if isinstance(found, Unreadable) else found.problems
