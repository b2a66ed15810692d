"""What a kubelet says in its journal, in klog's form."""

from collections.abc import Callable

from kubevouch.clock import Clock
from kubevouch.x509.gotext import quote

Say = Callable[[str, int], None]
"""One line and its syslog priority."""


class Log:
    """klog's text format. Only what a kubelet without -v shows: errors, and the few lines of level 0."""

    def __init__(self, say: Say, clock: Clock, pid: int) -> None:
        self._say = say
        self._clock = clock
        self._pid = pid

    def err(self, source: str, message: str, **values: str) -> None:
        """A structured error: `E1124 23:03:06.949659     450 file.go:103] "..." err="..."`."""
        shown = "".join(f" {name}={quote(value)}" for name, value in values.items())
        self._write("E", source, f"{quote(message)}{shown}", 3)

    def info(self, source: str, message: str, **values: str) -> None:
        """The same, as information."""
        shown = "".join(f" {name}={quote(value)}" for name, value in values.items())
        self._write("I", source, f"{quote(message)}{shown}", 6)

    def plain(self, text: str) -> None:
        """A line of Go's own log package, as its HTTP server writes it."""
        self._say(f"{self._clock.now():%Y/%m/%d %H:%M:%S} {text}", 6)

    def _write(self, level: str, source: str, text: str, priority: int) -> None:
        now = self._clock.now()
        self._say(f"{level}{now:%m%d %H:%M:%S.%f} {self._pid:>7} {source}] {text}", priority)
