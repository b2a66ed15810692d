"""Where words go: results to standard output, progress and complaints to standard error."""

import contextlib
import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TextIO

from kubevouch.errors import KubevouchError, UsageError

WIDTH: Final = 100
"""Columns, unless $COLUMNS says fewer. Facts that are longer go on in the next line; nothing is cut off."""


_NARROWEST: Final = 60


class Colour(StrEnum):
    """What a word looks like on a terminal (ECMA-48, SGR)."""

    BAD = "31;1"
    WARNING = "33"
    GOOD = "32"
    QUIET = "2"


def _width(environment: Mapping[str, str]) -> int:
    """What $COLUMNS says, as far as it can be kept: nobody reads columns that are narrower, or lines that are longer."""
    said = environment.get("COLUMNS", "")
    return min(WIDTH, max(_NARROWEST, int(said))) if said.isascii() and said.isdigit() else WIDTH


class NowhereToWrite(KubevouchError):
    """A stream of ours cannot be written to."""


def harmless(text: str) -> str:
    """What nodes and certificates say may hold control characters: none of them reaches a terminal.

    Line breaks of our own stay; `one_line` takes them out of what others say.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def one_line(text: str) -> str:
    """The same with line breaks escaped, too: what others say never looks like a line of ours."""
    return harmless(text).replace("\n", "\\n")


class Terminal:
    """The streams and what they can show. Colour only on a terminal and never against NO_COLOR.

    A stream that is closed (`>&-`) is None. A reader that has gone (`| head`) is no error: what he does not want is
    dropped, and the exit code is what it would have been.
    """

    def __init__(
        self,
        stdin: TextIO | None,
        stdout: TextIO | None,
        stderr: TextIO | None,
        environment: Mapping[str, str],
    ) -> None:
        self.stdin = stdin or io.StringIO()
        self.stdout = stdout or io.StringIO()
        self.stderr = stderr or io.StringIO()
        self.environment = environment
        self.width = _width(environment)
        for stream in (self.stdout, self.stderr):
            # What the terminal's encoding lacks is escaped, too.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def out(self, text: str = "", colour: Colour | None = None) -> None:
        """A line of the result. colour: of its first word, where it can be seen."""
        line = harmless(text)
        if colour is not None and self.has_colour:
            word = line.split(maxsplit=1)[0]
            line = line.replace(word, f"\x1b[{colour}m{word}\x1b[0m", 1)
        self._write(self.stdout, line + "\n")

    def wrapped(self, text: str, lead: str = "", colour: Colour | None = None) -> None:
        """The same behind `lead`, folded at the width and indented as far as `lead` goes."""
        folded = textwrap.fill(
            one_line(text),
            self.width,
            initial_indent=lead,
            subsequent_indent=" " * len(lead),
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.out(folded, colour)

    def long_line(self, text: str, hang: int = 9) -> None:
        """A line that is one however long it is, unless $COLUMNS is narrower than our own: folded then, and hung so far."""
        if self.width == WIDTH or len(text) <= self.width:
            self.out(one_line(text))
            return
        lines = textwrap.wrap(
            one_line(text),
            self.width,
            subsequent_indent=" " * hang,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.out("\n".join(lines))

    def note(self, text: str) -> None:
        """A line of progress."""
        self._write(self.stderr, harmless(text) + "\n")
        self._flush(self.stderr)

    def progress(self, text: str) -> None:
        """What is going on, for somebody who watches; nothing where nobody does."""
        if self.is_live:
            self.note(f"  {text} ...")

    def error(self, text: str) -> None:
        """A complaint."""
        self.note(f"Error: {text}")

    def flush(self) -> None:
        """The result is out. Raises NowhereToWrite."""
        self._flush(self.stdout)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
        except OSError as error:
            self._drop(stream, error)

    def _flush(self, stream: TextIO) -> None:
        try:
            stream.flush()
        except OSError as error:
            self._drop(stream, error)

    def abandon(self, stream: TextIO) -> None:
        """Nothing more can go there; Python's own flush at the end must not try again."""
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def _drop(self, stream: TextIO, error: OSError) -> None:
        self.abandon(stream)
        if not isinstance(error, BrokenPipeError) and stream is not self.stderr:
            raise NowhereToWrite("standard output", error.strerror or str(error)) from None

    @property
    def has_colour(self) -> bool:
        """The result goes to a terminal that shows colours, and nobody has forbidden them (no-color.org)."""
        return (
            self.stdout.isatty()
            and self.environment.get("TERM", "dumb") != "dumb"
            and not self.environment.get("NO_COLOR")
        )

    @property
    def is_live(self) -> bool:
        """Somebody watches standard error: progress may be drawn over."""
        return self.stderr.isatty() and self.environment.get("TERM") != "dumb"

    def confirm(self, what: str, *, yes: bool) -> None:
        """Says what will be done, and asks. Raises UsageError where nobody can answer, Abort for a no."""
        self.note(f"This will {what}.")
        if yes:
            return
        if not (self.stderr.isatty() and self.stdin.isatty()):
            raise UsageError("standard input", "is no terminal to ask at", "--yes was expected")
        import click

        click.confirm("Go on?", abort=True, err=True)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0
    ) -> None:
        """Columns as kubectl prints them: upper-case headings, three blanks between, nothing cut off."""
        cells = [[one_line(cell) for cell in row] for row in (columns, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.out(" " * indent + "   ".join(padded).rstrip())
