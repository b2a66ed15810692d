"""A run for somebody who watches: plain lines when piped; on a terminal the last line is drawn over."""

from kubevouch.cli.terminal import Terminal
from kubevouch.clock import Clock

_CLEAR = "\r\x1b[K"
_LONGEST = 110


class Lines:
    """Tells each step with the time since the run began."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._began = clock.monotonic()
        self._said: dict[str, str] = {}
        self._drawn = False

    def step(self, node: str, text: str) -> None:
        """A line that stays."""
        self._line(node, text)

    def waiting(self, node: str, text: str) -> None:
        """Drawn over on a terminal; else a line whenever it changes."""
        if self._terminal.is_live:
            shown = f"{self._stamp()}  {node}  waits for {text}"[:_LONGEST]
            self._terminal.stderr.write(_CLEAR + shown)
            self._terminal.stderr.flush()
            self._drawn = True
        elif self._said.get(node) != text:
            self._line(node, f"waits for {text}")
        self._said[node] = text

    def ended(self, node: str, text: str) -> None:
        """A line that stays."""
        self._line(node, text)

    def _line(self, node: str, text: str) -> None:
        if self._drawn:
            self._terminal.stderr.write(_CLEAR)
            self._drawn = False
        self._terminal.note(f"{self._stamp()}  {node}  {text}")

    def _stamp(self) -> str:
        passed = int(self._clock.monotonic() - self._began)
        return f"{passed // 60:3}:{passed % 60:02}"
