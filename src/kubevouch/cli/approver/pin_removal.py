"""What `approver pin --remove` does: look, ask, remove."""

from collections.abc import Sequence

from kubevouch.cli.approver.as_shown import ChangedSinceShown, check_entries_as_shown
from kubevouch.cli.approver.pin_writes import carried_out, say_that_it_has_changed
from kubevouch.cli.approver.stored_pins import StoredPins, Wrote, read_stored_pins, remove_pins
from kubevouch.cli.approver.undo_pins import say_how_pins_are_undone
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.rollout import named
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError, nearest
from kubevouch.evidence.gather.at_once import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES


def remove(
    terminal: Terminal, access: ClusterAccess, nodes: Sequence[str], *, yes: bool
) -> ExitCode:
    """Removes pins, also of Nodes that are gone. Raises UsageError for a name that is neither a Node's nor pinned."""

    async def looking(api: ApiClient, _: Clock) -> tuple[StoredPins, set[str]]:
        stored, found = await together(read_stored_pins(api), api.list_all(NODES))
        return stored, {each.name for each in found}

    stored, live = with_api(terminal, access, looking)
    chosen = tuple(dict.fromkeys(nodes))
    for node in chosen:
        if node not in stored.pins and node not in live:
            known = nearest(node, stored.pins, otherwise="the name of a pinned node was expected")
            raise UsageError(node, "is not pinned", known)
    nodes = [node for node in chosen if node in stored.pins]
    if without := [node for node in chosen if node not in stored.pins]:
        terminal.out(f"Nothing to do for {', '.join(without)}: not pinned.")
    if not nodes:
        _print(terminal, nodes)
        return ExitCode.OK
    what = f"remove the pins of {', '.join(nodes)}: their next CSRs are held unless another source knows them"
    terminal.confirm(f"{what}, on {named(access)}", yes=yes)

    former = {node: stored.texts[node] for node in nodes}

    async def removing(api: ApiClient, wrote: Wrote) -> None:
        terminal.nothing_changed = False
        # What somebody has pinned meanwhile nobody has agreed to remove, and UNDO would not bring it back.
        await check_entries_as_shown(api, former)
        await remove_pins(api, former, wrote)

    try:
        carried_out(terminal, access, former, removing, every=True)
    except ChangedSinceShown as error:
        return say_that_it_has_changed(terminal, error)
    terminal.out(f"The pins of {', '.join(nodes)} are gone.")
    say_how_pins_are_undone(terminal, former, every=True)
    _print(terminal, nodes)
    return ExitCode.OK


def _print(terminal: Terminal, removed: Sequence[str]) -> None:
    if terminal.prints_json:
        print_document(terminal, "kubevouch.pins-removed/1", {"removed": removed})
