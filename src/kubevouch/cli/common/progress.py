"""A run for somebody who watches: plain lines when piped; on a terminal the last line is drawn over."""

from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock

_CLEAR = "\r\x1b[K"
_LONGEST = 110
_PATIENCE = 5.0


class ProgressLines:
    """Tells each step with the time since the run began."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._began = clock.monotonic()
        self._waits: dict[str, tuple[str, float, bool]] = {}
        """By node: what it waits for, since when, and whether that was told."""
        self._drawn = False

    def step(self, node: str, text: str) -> None:
        """A line that stays."""
        self._line(node, text)

    def waiting(self, node: str, text: str) -> None:
        """Drawn over on a terminal; else a line once it has been the same for a while."""
        if self._terminal.is_live:
            shown = f"{self._stamp()}  {node}  waits for {text}"[:_LONGEST]
            self._terminal.stderr.write(_CLEAR + one_line(shown))
            self._terminal.stderr.flush()
            self._drawn = True
            return
        said, since, told = self._waits.get(node, ("", 0.0, False))
        now = self._clock.monotonic()
        if said != text:
            since, told = now, False
        elif not told and now - since >= _PATIENCE:
            self._line(node, f"waits for {text}")
            told = True
        self._waits[node] = (text, since, told)

    def ended(self, node: str, text: str) -> None:
        """A line that stays."""
        self._line(node, text)

    def _line(self, node: str, text: str) -> None:
        if self._drawn:
            self._terminal.stderr.write(_CLEAR)
            self._drawn = False
        self._terminal.note(one_line(f"{self._stamp()}  {node}  {text}"))

    def _stamp(self) -> str:
        passed = int(self._clock.monotonic() - self._began)
        return f"{passed // 60:3}:{passed % 60:02}"
