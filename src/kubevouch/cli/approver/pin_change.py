"""Changes pins. Saves the former pins to a file before the first write; `approver pin --restore FILE` restores them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import Final

import msgspec

from kubevouch.cli.approver.stored_pins import StoredPins, read_stored_pins, write_entries
from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.runs import runs_folder, write_whole
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import INSTALL_APPROVER
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError, UsageError, nearest
from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NAMESPACES, NODES
from kubevouch.named_files import bytes_in
from kubevouch.policy.pin_proposals import pin_changes
from kubevouch.policy.sources.nodes import PINS, PinnedNode, read_pins, written_pin
from kubevouch.policy.sources.stored import LARGEST_ENTRY, Unreadable, shard_names, shard_of

_SCHEMA: Final = "kubevouch.former-pins/1"
_LARGEST: Final = 64 * 1024 * 1024

Texts = Mapping[str, Mapping[str, str]]
"""The text of each stored pin, by node, then by ConfigMap."""


class PinsChanged(KubevouchError):
    """Somebody else has changed the pins. A write would overwrite entries that the operator has not seen."""

    exit_code = ExitCode.STOPPED


class PinEntry(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A node's entry in one ConfigMap, before and after a change. `before` or `after` is None if there is no entry."""

    config_map: str
    node: str
    before: str | None
    after: str | None


class _FormerPins(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    schema_version: str
    namespace: str
    """The UID of the approver's namespace."""

    entries: tuple[PinEntry, ...]


def written(pins: Iterable[PinnedNode], texts: Texts) -> list[PinEntry]:
    """One entry for each pin, with its text before and after the write."""
    return [_entry(shard_of(PINS, each.node), each.node, texts, written_pin(each)) for each in pins]


def _entry(config_map: str, node: str, texts: Texts, after: str | None) -> PinEntry:
    return PinEntry(config_map, node, texts.get(node, {}).get(config_map), after)


def carry_out(terminal: Terminal, access: ClusterAccess, entries: Sequence[PinEntry]) -> None:
    """Saves the former pins to a file, prints the UNDO command, and then writes or removes pins.

    Raises:
        PinsChanged: a pin has changed since it was shown. Nothing was written.
        KubevouchError: the file or a pin could not be written.
    """

    async def looking(api: ApiClient, clock: Clock) -> Path:
        stored, uid = await together(read_stored_pins(api), _namespace_uid(api))
        _check(entries, stored, "since it was shown")
        kept = _FormerPins(_SCHEMA, uid, tuple(entries))
        return _keep(terminal.environment, kept, f"{clock.now():%Y%m%dT%H%M%S.%fZ}.json")

    texts = [(each.config_map, each.node, each.after) for each in entries]
    file = with_api(terminal, access, looking)
    terminal.command("UNDO  ", join(("kubevouch", "approver", "pin", "--restore", str(file))))
    terminal.nothing_changed = False
    with_api(terminal, access, lambda api, _: write_entries(api, texts))


def check_installed(terminal: Terminal, access: ClusterAccess) -> None:
    """Raises UsageError if the approver's namespace does not exist. Call this before asking the operator to confirm."""
    with_api(terminal, access, lambda api, _: _namespace_uid(api))


def _check(entries: Iterable[PinEntry], stored: StoredPins, since: str) -> None:
    for each in entries:
        if stored.texts.get(each.node, {}).get(each.config_map) != each.before:
            where, seen = f"the pin of {each.node}", f"has changed {since}"
            raise PinsChanged(where, seen, "nothing was changed")


async def _namespace_uid(api: ApiClient) -> str:
    try:
        return (await api.get(NAMESPACES, NAMESPACE)).uid
    except NotFound:
        seen, expected = "does not exist", f"`{INSTALL_APPROVER}` creates it"
        raise UsageError(f"namespace {NAMESPACE}", seen, expected) from None


def _keep(environment: Mapping[str, str], kept: _FormerPins, name: str) -> Path:
    path = runs_folder(environment).with_name("pins") / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, msgspec.json.encode(kept))
    except OSError as error:
        seen = f"cannot store the former pins: {error.strerror}"
        raise KubevouchError(str(path), seen, "nothing was changed") from None
    return path


def restore(terminal: Terminal, access: ClusterAccess, file: str, *, yes: bool) -> ExitCode:
    """Restores the pins that `file` contains. Raises UsageError, or PinsChanged if a pin has changed since the file was written."""
    kept = read_former_pins(file)

    async def looking(api: ApiClient, _: Clock) -> tuple[StoredPins, str]:
        stored, uid = await together(read_stored_pins(api), _namespace_uid(api))
        return stored, uid

    stored, uid = with_api(terminal, access, looking)
    if uid != kept.namespace:
        seen = "is from another cluster, or from a deleted namespace"
        raise UsageError(file, seen, "expected a file from this cluster")
    back = [_entry(each.config_map, each.node, stored.texts, each.before) for each in kept.entries]
    # After an interrupted change, some entries still have their former value.
    undone = [each for each, now in zip(kept.entries, back, strict=True) if now.before != now.after]
    _check(
        [PinEntry(e.config_map, e.node, e.after, e.before) for e in undone],
        stored,
        "since this file was written",
    )
    back = [each for each in back if each.before != each.after]
    nodes = sorted({each.node for each in back})
    if nodes:
        for each in back:
            for line in _changes(each):
                terminal.wrapped(line, f"{each.node}  ")
        what = f"restore the pins of {counted(len(nodes), 'node')}"
        terminal.confirm(f"{what}, on {named(access)}", yes=yes)
        carry_out(terminal, access, back)
    terminal.out(
        f"{counted(len(nodes), 'pin')} restored."
        if nodes
        else "Nothing to do: every pin has its former value."
    )
    if terminal.document_form:
        print_document(terminal, "kubevouch.pins-restored/1", {"restored": nodes})
    return ExitCode.OK


def read_former_pins(file: str) -> _FormerPins:
    """Reads a file of former pins. Raises UsageError if `approver pin` did not write it."""
    expected = "expected a file that `approver pin` wrote"
    try:
        kept = msgspec.json.decode(
            bytes_in(Path(file), most=_LARGEST, expected=expected), type=_FormerPins
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UsageError(file, str(error), expected) from None
    if kept.schema_version != _SCHEMA:
        raise UsageError(file, f"expected schemaVersion {_SCHEMA}, got {kept.schema_version}")
    maps = shard_names(PINS)
    for each in kept.entries:
        if each.config_map not in maps or not each.node:
            raise UsageError(file, f"has an entry for {each.node!r} in {each.config_map}", expected)
        if (size := len((each.before or "").encode())) > LARGEST_ENTRY:
            seen = f"has an entry of {size} bytes for {each.node}"
            raise UsageError(file, seen, f"expected at most {LARGEST_ENTRY} bytes")
    places = Counter((each.config_map, each.node) for each in kept.entries)
    for (shard, node), times in places.items():
        if times > 1:
            raise UsageError(file, f"has more than one entry for {node} in {shard}", expected)
    return kept


def _changes(entry: PinEntry) -> Iterator[str]:
    nothing = PinnedNode(entry.node, "", (), ())
    sides = [_pin(entry, text) or nothing for text in (entry.before, entry.after)]
    if entry.after is None:
        yield "- the pin"
    for side in sides:
        if isinstance(side, Unreadable):
            yield str(side)
    # Beside an unreadable entry, all of the other one is shown.
    before, after = (nothing if isinstance(side, Unreadable) else side for side in sides)
    yield from pin_changes(before, after)
    if before.pinned_at != after.pinned_at:  # a later pin clears doubts about a node
        yield f"time of the pin: {before.pinned_at or 'none'} -> {after.pinned_at or 'none'}"


def _pin(entry: PinEntry, text: str | None) -> PinnedNode | Unreadable | None:
    return (
        None
        if text is None
        else read_pins(entry.config_map, {entry.node: text}).entries[entry.node]
    )


def remove(
    terminal: Terminal, access: ClusterAccess, nodes: Sequence[str], *, yes: bool
) -> ExitCode:
    """Removes the pins of these nodes, even if a Node no longer exists.

    Raises UsageError for a name that has no pin and is not the name of a Node.
    """

    async def looking(api: ApiClient, _: Clock) -> tuple[StoredPins, set[str]]:
        stored, found = await together(read_stored_pins(api), api.list_all(NODES))
        return stored, {each.name for each in found}

    stored, live = with_api(terminal, access, looking)
    chosen = tuple(dict.fromkeys(nodes))
    for node in chosen:
        if node not in stored.pins and node not in live:
            known = nearest(node, stored.pins, otherwise="expected the name of a pinned node")
            raise UsageError(node, "is not pinned", known)
    pinned = [node for node in chosen if node in stored.pins]
    if without := [node for node in chosen if node not in stored.pins]:
        terminal.out(f"Nothing to do for {', '.join(without)}: not pinned.")
    if pinned:
        what = f"remove the pins of {', '.join(pinned)}: the approver then holds CSRs of these nodes, unless another source, such as the inventory, allows them"
        terminal.confirm(f"{what}, on {named(access)}", yes=yes)
        entries = [
            PinEntry(name, node, text, None)
            for node in pinned
            for name, text in stored.texts[node].items()
        ]
        carry_out(terminal, access, entries)
        terminal.out(f"Removed the pins of {', '.join(pinned)}.")
    if terminal.document_form:
        print_document(terminal, "kubevouch.pins-removed/1", {"removed": pinned})
    return ExitCode.OK
