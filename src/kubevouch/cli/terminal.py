"""Where words go: results to standard output, progress and complaints to standard error."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from kubevouch.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def harmless(text: str) -> str:
    """What nodes and certificates say may hold control characters: none of them reaches a terminal."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


class Terminal:
    """The streams and what they can show. Colour only on a terminal and never against NO_COLOR."""

    def __init__(
        self, stdin: TextIO, stdout: TextIO, stderr: TextIO, environment: Mapping[str, str]
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.environment = environment

    def out(self, text: str = "") -> None:
        """A line of the result."""
        self.stdout.write(harmless(text) + "\n")

    def note(self, text: str) -> None:
        """A line of progress."""
        self.stderr.write(harmless(text) + "\n")
        self.stderr.flush()

    def progress(self, text: str) -> None:
        """What is going on, for somebody who watches; nothing where nobody does."""
        if self.is_live:
            self.note(f"  {text} ...")

    def error(self, text: str) -> None:
        """A complaint."""
        self.note(f"Error: {text}")

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
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for row in (columns, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.out(" " * indent + "   ".join(cells).rstrip())

    def console(self, stream: TextIO) -> "Console":
        """rich, for what it does better than a line."""
        from rich.console import Console

        return Console(
            file=stream,
            no_color=bool(self.environment.get("NO_COLOR")) or None,
            highlight=False,
            emoji=False,
            markup=False,
        )
