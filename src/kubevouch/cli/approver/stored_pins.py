"""Reads and writes the pins: ConfigMaps of the approver's namespace, one key for each node."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.diagnose.catalogue import INSTALL_APPROVER
from kubevouch.errors import UsageError
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.policy.sources.nodes import PINS, PinnedNode, read_pins, written_pin
from kubevouch.policy.sources.stored import HOLDS, Unreadable, labels_of, shard_of


@dataclass(frozen=True)
class StoredPins:
    """All pins by node, and what is wrong with what is stored.

    texts: by node, what stands of it in each ConfigMap: one in its own, and others in wrong ones, which nobody reads.
    """

    pins: Mapping[str, PinnedNode | Unreadable]
    problems: tuple[str, ...]
    texts: Mapping[str, Mapping[str, str]]


async def read_stored_pins(api: ApiClient) -> StoredPins:
    """All that is pinned; nothing where the approver is not installed. As for the approver, no entry in a wrong ConfigMap hides a pin."""
    found = await api.list_all(CONFIG_MAPS, NAMESPACE)
    pins: dict[str, PinnedNode | Unreadable] = {}
    problems: list[str] = []
    texts: dict[str, dict[str, str]] = {}
    for each in found:
        if not each.name.startswith(f"{PINS}-"):
            if each.metadata.labels.get(HOLDS) == "pins":
                problems.append(
                    f"ConfigMap {NAMESPACE}/{each.name} is labelled as pins, and is not one of theirs"
                )
            continue
        shard = read_pins(each.name, each.data)
        for node, entry in shard.entries.items():
            texts.setdefault(node, {})[each.name] = each.data[node]
            if not isinstance(pins.get(node), PinnedNode):
                pins[node] = entry
        problems += shard.problems
    return StoredPins(pins, tuple(problems), texts)


async def write_pins(api: ApiClient, pins: Iterable[PinnedNode]) -> None:
    """Writes each pin into its shard. Raises UsageError where the approver's namespace is missing."""
    await write_entries(api, ((shard_of(PINS, p.node), p.node, written_pin(p)) for p in pins))


async def write_entries(api: ApiClient, entries: Iterable[tuple[str, str, str | None]]) -> None:
    """Writes and removes entries, one ConfigMap after the other. entries: ConfigMap, node and text; None for no entry."""
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
    except Conflict:  # somebody else has just made it
        await api.patch(CONFIG_MAPS, name, {"data": data}, NAMESPACE)
    except NotFound:
        seen, expected = "there is no such namespace", f"`{INSTALL_APPROVER}` makes it"
        raise UsageError(f"namespace {NAMESPACE}", seen, expected) from None
