"""Between what was shown and what is written, somebody else may have changed the cluster: looked at right before the first write."""

from collections.abc import Sequence

from kubevouch.cli.approver.changes import Change, changes
from kubevouch.cli.approver.proposals import Proposal
from kubevouch.cli.approver.stored_pins import read_stored_pins
from kubevouch.cli.approver.undo_pins import Former
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient


class ChangedSinceShown(KubevouchError):
    """Somebody else changed what was shown, so that other things would be written than those that were agreed to."""


async def check_as_shown(
    api: ApiClient, shown: Sequence[Change], pins: Sequence[Proposal], *, force: bool
) -> None:
    """Raises ChangedSinceShown unless the same would be changed as was shown."""
    now = await changes(api, [each.manifest for each in shown], force=force)
    for before, after in zip(shown, now, strict=True):
        if after.conflict or _lines(before) != _lines(after):
            raise ChangedSinceShown(str(after.manifest), "has changed since it was shown")
    await check_pins_as_shown(api, pins)


async def check_pins_as_shown(api: ApiClient, pins: Sequence[Proposal]) -> None:
    """Raises ChangedSinceShown unless each is pinned now as it was then."""
    if not pins:
        return
    stored = await read_stored_pins(api)
    for each in pins:
        if stored.pins.get(each.pin.node) != each.now:
            raise ChangedSinceShown(f"the pin of {each.pin.node}", "has changed since it was shown")


async def check_entries_as_shown(api: ApiClient, shown: Former) -> None:
    """Raises ChangedSinceShown unless there stands of each node what stood there then, byte for byte."""
    stored = await read_stored_pins(api)
    for node, texts in shown.items():
        if stored.texts.get(node, {}) != texts:
            raise ChangedSinceShown(f"the pin of {node}", "has changed since it was shown")


def _lines(change: Change) -> list[str]:
    """What would be taken out and put in; what stands beside it may change at any time, such as records."""
    return [line for line in change.diff() if line.startswith(("+", "-"))]
