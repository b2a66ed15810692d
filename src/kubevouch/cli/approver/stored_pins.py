"""Reads and writes the pins: ConfigMaps of the approver's namespace, one key for each node."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.errors import UsageError
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.policy.sources.pinned import PINS, PinnedNode, read_pins, written_pin
from kubevouch.policy.sources.stored import HOLDS, Unreadable, labels_of, shard_of


@dataclass(frozen=True)
class StoredPins:
    """All pins by node, and what is wrong with what is stored."""

    pins: Mapping[str, PinnedNode | Unreadable]
    problems: tuple[str, ...]


async def read_stored_pins(api: ApiClient) -> StoredPins:
    """All that is pinned; nothing where the approver is not installed."""
    found = await api.list_all(CONFIG_MAPS, NAMESPACE, label_selector=f"{HOLDS}=pins")
    pins: dict[str, PinnedNode | Unreadable] = {}
    problems: list[str] = []
    for each in found:
        if not each.name.startswith(f"{PINS}-"):
            problems.append(
                f"ConfigMap {NAMESPACE}/{each.name} is labelled as pins, and is not one of theirs"
            )
            continue
        shard = read_pins(each.name, each.data)
        pins |= shard.entries
        problems += shard.problems
    return StoredPins(pins, tuple(problems))


async def write_pins(api: ApiClient, pins: Iterable[PinnedNode]) -> None:
    """Writes each pin into its shard. Raises UsageError where the approver's namespace is missing."""
    await _write(api, {pin.node: written_pin(pin) for pin in pins})


async def remove_pins(api: ApiClient, nodes: Iterable[str]) -> None:
    """Removes the pins of these nodes."""
    await _write(api, dict.fromkeys(nodes))


async def _write(api: ApiClient, entries: Mapping[str, str | None]) -> None:
    shards: dict[str, dict[str, str | None]] = {}
    for node, text in entries.items():
        shards.setdefault(shard_of(PINS, node), {})[node] = text
    for name, data in sorted(shards.items()):
        try:
            await api.patch(CONFIG_MAPS, name, {"data": data}, NAMESPACE)
        except NotFound:
            await _create(api, name, data)


async def _create(api: ApiClient, name: str, data: Mapping[str, str | None]) -> None:
    kept = {node: text for node, text in data.items() if text is not None}
    if not kept:
        return
    labels = labels_of("pins")
    body = {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "data": kept}
    try:
        await api.create(CONFIG_MAPS, body, NAMESPACE)
    except NotFound:
        seen, expected = "there is no such namespace", "`kubevouch approver install` makes it"
        raise UsageError(f"namespace {NAMESPACE}", seen, expected) from None
