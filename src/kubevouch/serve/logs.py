"""Log lines in klog's format, or as JSON.

Text: `E1124 23:02:00.664874       1 scraper.py:149] "Failed to scrape node" err="..." node="n1"`
(klog's internal/serialize/keyvalues.go and textlogger). JSON as in component-base's logs/json: `ts`
in milliseconds, `caller`, `msg`, and `v` except for errors. Tools for metrics-server's log can
parse our log, too.
"""

import functools
import re
import sys
from collections.abc import Callable
from datetime import UTC
from enum import StrEnum
from pathlib import PurePath
from typing import Final

import msgspec

from kubevouch.clock import Clock
from kubevouch.x509.gotext import quote

Value = str | int | float | bool | Exception | None


class LogFormat(StrEnum):
    """The values of --logging-format."""

    TEXT = "text"
    JSON = "json"


class Log:
    """Writes log lines. verbosity: the level from -v."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Clock,
        *,
        form: LogFormat = LogFormat.TEXT,
        verbosity: int = 0,
        pid: int = 1,
    ) -> None:
        self._write = write
        self._clock = clock
        self._form = form
        self._verbosity = verbosity
        self._pid = pid

    def shows(self, level: int) -> bool:
        """Whether lines of this -v level are written. Call it before computing an expensive value."""
        return level <= self._verbosity

    def info(self, message: str, /, **values: Value) -> None:
        """Writes a line at any verbosity."""
        self._line("I", message, values, 0)

    def verbose(self, level: int, message: str, /, **values: Value) -> None:
        """Writes a line if -v is at this level or higher."""
        if self.shows(level):
            self._line("I", message, values, level)

    def warning(self, message: str, /, **values: Value) -> None:
        """Writes a warning at any verbosity."""
        self._line("W", message, values, 0)

    def error(self, error: Exception | str, message: str, /, **values: Value) -> None:
        """Writes an error line, whose first key is `err`."""
        self._line("E", message, {"err": error, **values}, 0)

    def _line(self, letter: str, message: str, values: dict[str, Value], level: int) -> None:
        at, caller = self._clock.now().astimezone(UTC), _caller()
        if self._form is LogFormat.TEXT:
            pairs = "".join(f" {name}={_shown(value)}" for name, value in values.items())
            head = f"{letter}{at:%m%d %H:%M:%S.%f} {self._pid:>7} {caller}]"
            self._write(f"{head} {quote(message)}{pairs}\n")
            return
        plain = {
            name: _encodable(str(value)) if isinstance(value, str | Exception) else value
            for name, value in values.items()
        }
        line = {"ts": round(at.timestamp() * 1000, 3), "caller": caller, "msg": _encodable(message)}
        shown = {} if letter == "E" else {"v": level}
        self._write(msgspec.json.encode({**line, **shown, **plain}).decode() + "\n")


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _encodable(text: str) -> str:
    """Escapes bytes that were not UTF-8 (lone surrogates in a Python text) like `gotext.quote`."""
    return text if text.isascii() else _SURROGATE.sub(lambda found: quote(found[0])[1:-1], text)


_OUR_FRAMES: Final = 3


def _caller() -> str:
    """The source file and line that called the log."""
    frame = sys._getframe(_OUR_FRAMES)  # noqa: SLF001 - inspect.stack reads the sources
    return f"{_name(frame.f_code.co_filename)}:{frame.f_lineno}"


@functools.cache
def _name(path: str) -> str:
    """The file name of a source path. Cached, since all log lines come from a few files."""
    return PurePath(path).name


def _shown(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "<nil>"
        case int() | float():
            return str(value)
        case _:
            return quote(str(value))
