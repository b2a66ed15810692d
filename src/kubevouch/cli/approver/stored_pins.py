"""Reads and writes pins. They are in ConfigMaps in the approver's namespace, with one key per node."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubevouch.diagnose.catalogue import INSTALL_APPROVER
from kubevouch.errors import UsageError
from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.policy.sources.nodes import PINS, PinnedNode, written_pin
from kubevouch.policy.sources.stored import Unreadable, labels_of, shard_names, shard_of
from kubevouch.policy.sources.watched import WatchedSources


@dataclass(frozen=True)
class StoredPins:
    """The approver's ConfigMaps, parsed as by the approver itself.

    texts: the raw entries of each node, by ConfigMap. Only the entry in the node's own ConfigMap (`shard_of`) is valid.
    """

    sources: WatchedSources
    texts: Mapping[str, Mapping[str, str]]

    @property
    def pins(self) -> Mapping[str, PinnedNode | Unreadable]:
        """All pins, by node."""
        return self.sources.current.pins

    @property
    def problems(self) -> tuple[str, ...]:
        """Errors in the ConfigMaps."""
        return tuple(text for found in self.sources.problems.values() for text in found)


async def read_stored_pins(api: ApiClient) -> StoredPins:
    """Reads the ConfigMaps. The result is empty if the approver is not installed."""
    sources, texts = WatchedSources(), defaultdict[str, dict[str, str]](dict)
    for each in await api.list_all(CONFIG_MAPS, NAMESPACE):
        sources.put(each)
        if each.name in shard_names(PINS):
            for node, text in each.data.items():
                texts[node][each.name] = text
    return StoredPins(sources, texts)


async def write_pins(api: ApiClient, pins: Iterable[PinnedNode]) -> None:
    """Writes each pin into its ConfigMap. Raises UsageError if the approver's namespace is missing."""
    await write_entries(api, ((shard_of(PINS, p.node), p.node, written_pin(p)) for p in pins))


async def write_entries(api: ApiClient, entries: Iterable[tuple[str, str, str | None]]) -> None:
    """Writes or removes entries, one ConfigMap at a time.

    entries: the ConfigMap, the node and the text of each entry. If the text is None, the entry is removed.
    """
    shards: dict[str, dict[str, str | None]] = {}
    for shard, node, text in entries:
        shards.setdefault(shard, {})[node] = text
    for name, data in sorted(shards.items()):
        try:
            await api.patch(CONFIG_MAPS, name, {"data": data}, NAMESPACE)
        except NotFound:
            await _create(api, name, data)


async def _create(api: ApiClient, name: str, data: Mapping[str, str | None]) -> None:
    kept = {node: text for node, text in data.items() if text is not None}
    if not kept:
        return
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels_of("pins")}
    try:
        await api.create(CONFIG_MAPS, {"metadata": metadata, "data": kept}, NAMESPACE)
    except Conflict:  # somebody else has just created it
        await api.patch(CONFIG_MAPS, name, {"data": data}, NAMESPACE)
    except NotFound:
        seen, expected = "does not exist", f"`{INSTALL_APPROVER}` creates it"
        raise UsageError(f"namespace {NAMESPACE}", seen, expected) from None
