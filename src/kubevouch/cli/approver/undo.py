"""How an install or an upgrade is undone: what is new is taken out; of what was there before, the former image comes back."""

from collections.abc import Sequence

from kubevouch.cli.approver.changes import Change
from kubevouch.cli.approver.installation import DEPLOYMENT, names_an_image
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.make import counted

_REMOVE = "kubevouch approver remove"


def say_how_it_is_undone(terminal: Terminal, changes: Sequence[Change], gone: int) -> None:
    """The command, and what it leaves. gone: how many objects were deleted. Nothing where nothing was changed."""
    changed = sum(each.differs for each in changes) + gone
    if not changed:
        return
    before = _image(changes)
    if before is None:
        terminal.command("UNDO  ", _REMOVE)
        return
    others = changed - any(each.differs for each in changes if _is_the_deployment(each))
    if before and names_an_image(before):
        terminal.command("UNDO  ", f"kubevouch approver upgrade --image {before}")
        if others:
            stay = "stays" if others == 1 else "stay"
            text = f"the image only; {counted(others, 'other change')} in the diff above {stay}"
            terminal.wrapped(text, "      ")
    else:
        terminal.out("UNDO  by hand: the diff above shows what was there before.")


def say_what_a_stop_leaves(terminal: Terminal, changes: Sequence[Change]) -> None:
    """What can be done about an install or an upgrade that stopped on its way."""
    if _image(changes) is None:
        undo = terminal.hint(_REMOVE)
        terminal.note(f"It stopped on its way; what is there is taken out by `{undo}`.")
    else:
        terminal.note("It stopped on its way; the same command goes on with it.")


def _image(changes: Sequence[Change]) -> str | None:
    """The image before, if it is another one; "" if it is the same. None where no approver was installed."""
    for each in changes:
        if _is_the_deployment(each) and each.live is not None:
            before, after = (
                [c["image"] for c in thing["spec"]["template"]["spec"]["containers"]]
                for thing in (each.live, each.after)
            )
            return "" if before == after else str(before[0])
    return None


def _is_the_deployment(change: Change) -> bool:
    manifest = change.manifest
    return (manifest.resource.kind, manifest.name) == ("Deployment", DEPLOYMENT)
