"""Writing pins, one ConfigMap after the other: what was written stays where the next one fails."""

from collections.abc import Awaitable, Callable

from kubevouch.cli.approver.as_shown import ChangedSinceShown
from kubevouch.cli.approver.stored_pins import Wrote
from kubevouch.cli.approver.undo_pins import Former, say_how_pins_are_undone
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient


def carried_out(
    terminal: Terminal,
    access: ClusterAccess,
    former: Former,
    work: Callable[[ApiClient, Wrote], Awaitable[None]],
    *,
    every: bool = False,
) -> None:
    """Writes. Where it stops on the way, it is said of which nodes something was written, and how that is undone.

    every: as `say_how_pins_are_undone` has it.
    """
    wrote: list[str] = []

    async def writing(api: ApiClient, _: Clock) -> None:
        await work(api, wrote.extend)

    try:
        with_api(terminal, access, writing)
    except (KubevouchError, KeyboardInterrupt) as error:
        if wrote:
            done = "begun, if not done," if isinstance(error, KeyboardInterrupt) else "done"
            nodes = ", ".join(dict.fromkeys(wrote))
            text = f"It stopped on its way: {done} for {nodes}. The same command goes on with it."
            terminal.note(one_line(text))
            written = {node: former[node] for node in wrote}
            say_how_pins_are_undone(terminal, written, every=every)
        raise


def say_that_it_has_changed(terminal: Terminal, error: ChangedSinceShown) -> ExitCode:
    """Says that somebody else was there between the question and the first write."""
    terminal.error(str(error))
    terminal.note("Nothing was changed. The same command shows what it would change now.")
    return ExitCode.STOPPED
