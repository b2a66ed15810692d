"""Shows progress on standard error: finished steps, and pending operations.

A finished step is a permanent line. On a terminal, rich redraws the pending operations below the steps. In a pipe, each
pending operation is printed once, if the verb enables this (`Terminal.tells_waits`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock

if TYPE_CHECKING:
    from rich.live import Live

_TICK = 0.25
_SHOWN_AFTER = 1.0
_REPORT_AFTER = 2.0
_MOST_SHOWN = 6
_WHOLE = "all nodes"
_WHOLE_AGAIN = 30.0


@dataclass
class _Wait:
    text: str
    since: float
    reported: bool = field(default=False)


class Progress:
    """The pending operations, with their start times. They are shown inside `async with progress.shown()`.

    Implements `ProgressReport` for a rollout, and observes requests to the API server.
    """

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self.log: Callable[..., None] | None = None
        """`RunLog.write`, or None without a run log.

        Called when a node finishes a step, begins to wait, or has finished, successfully or not.
        """
        self._terminal = terminal
        self._clock = clock
        self._began = clock.monotonic()
        self._waits: dict[Hashable, _Wait] = {}
        self._whole_said = self._began
        self._live: Live | None = None

    def begin(self, key: Hashable, text: str, *, in_seconds: float = 0.0) -> None:
        """Adds an operation, which is shown only if it takes longer than `in_seconds`. If the key exists, changes only the text."""
        known = self._waits.get(key)
        if known is None:
            self._waits[key] = _Wait(text, self._clock.monotonic() + in_seconds)
        else:
            known.text = text

    def end(self, key: Hashable) -> None:
        """Removes an operation, if it is pending."""
        self._waits.pop(key, None)

    def step(self, node: str, text: str) -> None:
        """Shows that the node has finished a step."""
        self._print_step("step", node, text)

    def _print_step(self, what: str, node: str, text: str) -> None:
        self.end(node)
        self._line(f"{node}  {text}")
        if self.log:
            self.log(what, node=node, text=text)

    def waiting(self, node: str, text: str) -> None:
        """Shows what the node waits for."""
        shown = f"{node}  waits for {text}"
        known = self._waits.get(node)
        if known is None or known.text != shown:
            self._waits[node] = _Wait(shown, self._clock.monotonic())
            if self.log:
                self.log("waits", node=node, text=text)

    def ended(self, node: str, text: str) -> None:
        """Shows that the node has finished, successfully or not."""
        self._print_step("ended", node, text)

    def whole(self, text: str) -> None:
        """Shows the progress of all nodes. In a pipe, prints a line every 30 seconds at most."""
        self.begin(_WHOLE, text)
        now = self._clock.monotonic()
        if not self._terminal.is_live and now - self._whole_said >= _WHOLE_AGAIN:
            self._whole_said = now
            self._line(text)

    def request(self, method: str, target: str, /) -> Callable[[str], None]:
        """Shows a pending request.

        Returns a function to call when the request has ended. With -v, that function prints a line.
        """
        key, began = object(), self._clock.monotonic()
        self.begin(key, f"waiting for the API server: {method} {target.partition('?')[0]}")

        def ended(how: str) -> None:
            self.end(key)
            if self._terminal.verbose:
                passed = (self._clock.monotonic() - began) * 1000
                self._terminal.note(one_line(f"{method} {target}  {how}  {passed:.0f} ms"))

        return ended

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Inside the block, shows pending operations. Refreshes them a few times a second."""
        self._terminal.progress = self
        watched = self._terminal.is_live or self._terminal.tells_waits
        task = asyncio.create_task(self._ticking()) if watched else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self.erase()
            self._terminal.progress = None

    async def _ticking(self) -> None:
        while True:
            self.tick()
            await self._clock.sleep(_TICK)

    def tick(self) -> None:
        """Shows operations that take longer than one second, or two seconds if standard error is not a terminal."""
        now = self._clock.monotonic()
        if self._terminal.is_live:
            self._draw(now)
            return
        for wait in list(self._waits.values()):
            if not wait.reported and now - wait.since >= _REPORT_AFTER:
                wait.reported = True
                self._line(wait.text)

    def _draw(self, now: float) -> None:
        shown = [each for each in self._waits.values() if now - each.since >= _SHOWN_AFTER]
        if not shown:
            self.erase()
            return
        width = self._terminal.columns(self._terminal.stderr)
        lines = [
            _fitted(
                f"{self._stamp()}  {one_line(each.text)}", f"  ({now - each.since:.0f} s)", width
            )
            for each in shown[:_MOST_SHOWN]
        ]
        if len(shown) > _MOST_SHOWN:
            lines.append(f"        and {len(shown) - _MOST_SHOWN} more")
        from rich.text import Text

        text = Text("\n".join(lines), no_wrap=True, overflow="crop")
        with self._terminal.if_still_open(self._terminal.stderr):
            if self._live is None:
                self._live = _live(self._terminal)
                self._live.start()
            self._live.update(text, refresh=True)

    def erase(self) -> None:
        """Erases the pending operations from the terminal, before a permanent line is printed."""
        live, self._live = self._live, None
        if live is not None:
            with self._terminal.if_still_open(self._terminal.stderr):
                live.stop()

    def _line(self, text: str) -> None:
        self._terminal.note(one_line(f"{self._stamp()}  {text}"), hang=8)

    def _stamp(self) -> str:
        passed = int(self._clock.monotonic() - self._began)
        return f"{passed // 60:3}:{passed % 60:02}"


def _fitted(text: str, behind: str, width: int | None) -> str:
    """Joins both texts into one line of at most this width. Shortens the first text if necessary."""
    from rich.cells import cell_len, set_cell_size

    room = (width or 0) - cell_len(behind)
    if width is not None and cell_len(text) > room:
        text = f"{set_cell_size(text, max(0, room - 3))}..."
    return text + behind


def _live(terminal: Terminal) -> "Live":
    """Rich's live display on standard error, with the terminal's current width. Refreshes only on request."""
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=terminal.stderr,
        force_terminal=True,
        color_system=None,
        width=terminal.columns(terminal.stderr),
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ=terminal.environment,
    )
    return Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def progress_of(terminal: Terminal) -> Progress:
    """The progress display that `with_api` has created."""
    assert isinstance(terminal.progress, Progress)
    return terminal.progress
