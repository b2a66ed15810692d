"""The terminal: results go to standard output, progress and errors to standard error."""

import contextlib
import errno
import io
import os
import re
import stat
import termios
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from shlex import join
from typing import TYPE_CHECKING, Final, TextIO

from kubevouch.errors import ExitCode, KubevouchError, UsageError

if TYPE_CHECKING:
    from kubevouch.cli.common.invocation import Invocation
    from kubevouch.cli.common.progress import Progress
    from kubevouch.node.io.sudo import SudoPassword

WIDTH: Final = 100
"""The widest running text: nobody reads longer lines. A piped result has this width."""

_NARROWEST: Final = 60
_LONGEST: Final = 2000
_NO_BREAK: Final = "\0"
"""Stands for a blank while a line is folded. No text contains it: `harmless` escapes it."""

NOTHING_CHANGED: Final = "Nothing was changed."
_IN_BACKTICKS: Final = re.compile(r"`[^`]+`")


class Colour(StrEnum):
    """The colour of a word on a terminal (ECMA-48, SGR)."""

    BAD = "31;1"
    WARNING = "33"
    GOOD = "32"
    QUIET = "2"


class NowhereToWrite(KubevouchError):
    """Standard output or standard error cannot be written to."""


class Declined(KubevouchError):
    """The operator answered a question with no."""

    exit_code = ExitCode.STOPPED

    def __str__(self) -> str:
        return NOTHING_CHANGED


class DryRun(Declined):
    """A dry run has reached the first write. code: how the real run would end, as far as that is known."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__("--dry-run", "nothing is written")
        self.exit_code = code

    def __str__(self) -> str:
        return f"A dry run. {NOTHING_CHANGED}"


def harmless(text: str) -> str:
    """Escapes control characters: texts from nodes and certificates may contain them.

    These are Unicode's categories Cc (C0 and C1), Cf (bidirectional overrides, zero-width characters), Zl, Zp and unassigned.
    Our own line breaks stay; `one_line` escapes those in texts of others.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def one_line(text: str) -> str:
    """Also escapes line breaks, so a text of others never looks like a line of ours."""
    return harmless(text).replace("\n", "\\n")


def _hung(line: str, columns: int, hang: int) -> str:
    """The line folded between words. Text in `backticks` counts as one word, so it can be copied."""
    from kubevouch.cli.common.layout import hung

    whole = _IN_BACKTICKS.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    return hung(whole, columns, hang).replace(_NO_BREAK, " ")


class Terminal:
    """The streams and what they can show. Colour appears only on a terminal, and never against NO_COLOR.

    A closed stream (`>&-`) is None. A reader that has gone (`| head`, a terminal that hung up) is not an error: the output is
    dropped, and the exit code stays the same.
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
        self.invocation: Invocation | None = None
        self.progress: Progress | None = None
        self.sudo_password: SudoPassword | None = None
        """The password for sudo on the nodes, if the operator was asked."""
        self.verbose = False
        self.document_form = ""
        """`json` or `yaml`: the result is such a document and nothing else, and lines for a person go to standard error."""
        self.dry_run = False
        """Whether to write nothing: questions are only printed."""
        self.held: list[str] | None = None
        """The result, where it is not to be shown yet: `--watch` compares it with the former one."""
        self._noted = set[str]()
        self.tells_waits = False
        self.nothing_changed = False
        """Whether a verb that may write has not written yet: an interruption says so."""
        self.roles = "kubevouch doctor --print-role"
        """The command that prints the verb's roles. NEXT names it if the API server denies a request."""
        for stream in (self.stdout, self.stderr):
            # What the terminal's encoding lacks is escaped, too.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def columns(self, stream: TextIO) -> int | None:
        """The stream's width: $COLUMNS, else that of its terminal, at least 60. None if it is not a terminal."""
        said = self.environment.get("COLUMNS", "")
        if said.isascii() and said.isdigit() and int(said) > 0:
            return max(_NARROWEST, int(said))
        if not stream.isatty():
            return None
        try:
            found = os.get_terminal_size(stream.fileno()).columns
        except OSError:
            return WIDTH
        # A terminal that does not know its size says 0.
        return max(_NARROWEST, found) if found else WIDTH

    @property
    def width(self) -> int:
        """Columns for running text."""
        return min(WIDTH, self.columns(self.stdout) or WIDTH)

    def out(self, text: str = "", colour: Colour | None = None) -> None:
        """Prints a line of the result. colour: the colour of its first word, if the stream shows colours."""
        self._line(harmless(text), colour)

    def _line(self, line: str, colour: Colour | None = None) -> None:
        if colour is not None and self.has_colour:
            word = line.split(maxsplit=1)[0]
            line = line.replace(word, f"\x1b[{colour}m{word}\x1b[0m", 1)
        self._write(self.stderr if self.document_form else self.stdout, line + "\n")

    def document(self, text: str) -> None:
        """Prints a whole document unchanged: texts of others in it went through `one_line`."""
        self._write(self.stdout, text)

    def wrapped(self, text: str, lead: str = "", colour: Colour | None = None) -> None:
        """Prints a line behind `lead`, folded and indented to the width of `lead`. Cuts a very long one."""
        from kubevouch.cli.common.layout import folded

        line = one_line(text)
        if len(line) > _LONGEST:
            line = f"{line[:_LONGEST]} ... and {len(line) - _LONGEST} more characters (-o json has all)"
        hang = "\n" + " " * len(lead)
        self._line(one_line(lead) + hang.join(folded(line, self.width - len(lead))), colour)

    def long_line(self, text: str, hang: int = 9, colour: Colour | None = None) -> None:
        """Prints one line. A pipe gets it unfolded; a terminal gets it folded, with this hanging indent."""
        from kubevouch.cli.common.layout import hung

        line, columns = one_line(text), self.columns(self.stdout)
        self._line(line if columns is None else hung(line, columns, hang), colour)

    def command(
        self, lead: str, command: str | Sequence[str], *, beside_an_error: bool = False
    ) -> None:
        """Prints a command line to copy, behind a heading. It is never folded: a terminal wraps it, so it can be copied.

        beside_an_error: prints to standard error.
        """
        line = f"{lead}{one_line(self.hint(command))}"
        if beside_an_error:
            self._write(self.stderr, f"{line}\n")
        else:
            self.out(line)

    def hint(self, command: str | Sequence[str]) -> str:
        """A command line to copy, which acts on the same cluster as this one."""
        line = command if isinstance(command, str) else join(command)
        return self.invocation.line(line) if self.invocation else line

    def with_flags(self, text: str) -> str:
        """A text, followed by the flags that a command in it needs for this cluster."""
        needed = self.invocation.needed_in(text) if self.invocation else ""
        return f"{text} {needed}" if needed else text

    def note(self, text: str, hang: int | None = 2) -> None:
        """Prints a line of progress, on a terminal folded at its width and hung so far, or never. A command in it stays whole."""
        if self.held is not None:
            if text in self._noted:
                return
            self._noted.add(text)
        if self.progress is not None:
            self.progress.erase()
        # Elsewhere it is a log that programs read, whatever $COLUMNS says.
        columns = self.columns(self.stderr) if self.stderr.isatty() else None
        shown = harmless(text).split("\n")
        if columns is not None and hang is not None:
            shown = [_hung(each, columns, hang) for each in shown]
        self._write(self.stderr, "\n".join(shown) + "\n")
        self._flush(self.stderr)

    def doing(self, text: str) -> None:
        """Shows the current wait to a person; "" ends it."""
        if self.progress is None:
            return
        if text:
            self.progress.begin("doing", text)
        else:
            self.progress.end("doing")

    def error(self, text: str) -> None:
        """Prints an error on one line: it may quote texts of others."""
        self.note(f"Error: {one_line(text)}")

    def flush(self) -> None:
        """Flushes the result. Raises NowhereToWrite."""
        self._flush(self.stdout)

    def _write(self, stream: TextIO, text: str) -> None:
        if self.held is not None and stream is self.stdout:
            self.held.append(text)
            return
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
        """Nothing more can go there. Python's own flush at the end must not try again."""
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def _drop(self, stream: TextIO, error: OSError) -> None:
        is_gone = isinstance(error, BrokenPipeError) or (
            error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
        )
        self.abandon(stream)
        if not is_gone and stream is not self.stderr:
            raise NowhereToWrite("standard output", error.strerror or str(error)) from None

    @property
    def shows_escapes(self) -> bool:
        """Whether the result goes to a terminal with ECMA-48."""
        return self.stdout.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    @property
    def has_colour(self) -> bool:
        """Whether the result goes to a terminal with colours, without NO_COLOR (no-color.org)."""
        return self.shows_escapes and not self.environment.get("NO_COLOR")

    @property
    def is_live(self) -> bool:
        """Whether standard error is a terminal: progress may be redrawn."""
        return self.stderr.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    def may_write(self, roles: str) -> None:
        """Notes that this verb may write, and has not yet. roles: the command that prints the roles it needs."""
        self.roles = roles
        self.nothing_changed = True

    def confirm(self, what: str, *, yes: bool, if_dry: ExitCode = ExitCode.OK) -> None:
        """Says what will be done, and asks. Raises UsageError if there is no terminal to ask on, Declined for a no, DryRun in a dry run.

        if_dry: what the run would end with if every write succeeded.
        """
        self.note(f"This {'would' if self.dry_run else 'will'} {one_line(what)}.")
        self.end_if_dry(if_dry)
        self.check_can_ask(yes=yes)
        if yes:
            return
        import click

        with self._asking():
            agreed = click.confirm("Go on?", err=True)
        if not agreed:
            raise Declined("standard input", "the answer was no")

    def end_if_dry(self, code: ExitCode = ExitCode.OK) -> None:
        """Raises DryRun in a dry run: from here on a verb may write."""
        if self.dry_run:
            raise DryRun(code)

    def check_can_ask(self, *, yes: bool) -> None:
        """Before a later question: raises UsageError at once if there is no terminal. yes: no question will come."""
        if not (yes or self.dry_run or self.can_ask):
            raise UsageError("standard input", "is not a terminal", "expected --yes")

    @property
    def can_ask(self) -> bool:
        """Whether a person can answer a question."""
        return self.stderr.isatty() and self.stdin.isatty()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Ctrl-C at a question prints that nothing was changed: every question comes before the first write."""
        import click

        self._forget_typed_ahead()
        former, self.nothing_changed = self.nothing_changed, True
        try:
            yield
        except click.Abort:
            self.note("")  # the prompt stands on the line of the cursor
            raise
        self.nothing_changed = former

    def ask_hidden(self, question: str) -> str:
        """Reads a line without showing it; may be empty."""
        import click

        with self._asking():
            word = click.prompt(question, default="", show_default=False, hide_input=True, err=True)
        return str(word)

    def _forget_typed_ahead(self) -> None:
        """Drops earlier input: it does not answer a question that was not visible yet."""
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self.stdin.fileno(), termios.TCIFLUSH)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        folds: bool = True,
    ) -> None:
        """Prints columns as kubectl does: upper-case headings, three blanks between, nothing cut off.

        In a table that is wider than the terminal, cells are folded; unless `folds`, each row is one line.
        """
        from kubevouch.cli.common.layout import table_lines

        cells = [[one_line(cell) for cell in row] for row in (columns, *rows)]
        width = self.columns(self.stdout) if folds else None
        for line in table_lines(cells, width):
            self._line(line.rstrip())
