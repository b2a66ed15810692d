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
"""Columns of running text at most: nobody reads longer lines. Of everything where the result is piped."""

_NARROWEST: Final = 60
_LONGEST: Final = 2000
_NO_BREAK: Final = "\0"
"""Stands for a blank while a line is folded. It is in no text: `harmless` escapes it."""

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
    """A dry run has come to the first write. code: what is known of that of the run itself."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__("--dry-run", "nothing is written")
        self.exit_code = code

    def __str__(self) -> str:
        return f"A dry run. {NOTHING_CHANGED}"


def harmless(text: str) -> str:
    """What nodes and certificates say may hold control characters: none of them reaches a terminal.

    That is Unicode's categories Cc (C0 and C1), Cf (bidirectional overrides, zero-width signs), Zl and Zp, and what is
    not assigned. Line breaks of our own stay; `one_line` takes them out of what others say.
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


def _hung(line: str, columns: int, hang: int) -> str:
    """The line folded between words; what stands in `backticks` is there to be copied, and counts as one word."""
    from kubevouch.cli.common.layout import hung

    whole = _IN_BACKTICKS.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    return hung(whole, columns, hang).replace(_NO_BREAK, " ")


class Terminal:
    """The streams and what they can show. Colour only on a terminal and never against NO_COLOR.

    A stream that is closed (`>&-`) is None. A reader that has gone (`| head`, a terminal that hung up) is no error: what it
    does not want is dropped, and the exit code is what it would have been.
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
        """What was typed in for sudo on the nodes, if that was asked for."""
        self.verbose = False
        self.document_form = ""
        """`json` or `yaml`: the result is such a document and nothing else, and lines for a person go to standard error."""
        self.dry_run = False
        """Nothing is to be written: what would be confirmed is only said."""
        self.held: list[str] | None = None
        """The result, where it is not to be shown yet: `--watch` compares it with the former one."""
        self._noted = set[str]()
        self.tells_waits = False
        self.nothing_changed = False
        """So far, of a verb that may write: an interruption says so."""
        self.roles = "kubevouch doctor --print-role"
        """The command that prints the roles that the verb needs: what comes next where the API server does not allow it something."""
        for stream in (self.stdout, self.stderr):
            # What the terminal's encoding lacks is escaped, too.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def columns(self, stream: TextIO) -> int | None:
        """How wide the stream is: $COLUMNS, else what its terminal says, at least 60. None where it is not a terminal."""
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
        """A line of the result. colour: of its first word, where it can be seen."""
        self._line(harmless(text), colour)

    def _line(self, line: str, colour: Colour | None = None) -> None:
        if colour is not None and self.has_colour:
            word = line.split(maxsplit=1)[0]
            line = line.replace(word, f"\x1b[{colour}m{word}\x1b[0m", 1)
        self._write(self.stderr if self.document_form else self.stdout, line + "\n")

    def document(self, text: str) -> None:
        """A whole document as it is: what others say in it went through `one_line`."""
        self._write(self.stdout, text)

    def wrapped(self, text: str, lead: str = "", colour: Colour | None = None) -> None:
        """The same behind `lead`, folded at the width and indented as far as `lead` goes; of a flood only the beginning."""
        from kubevouch.cli.common.layout import folded

        line = one_line(text)
        if len(line) > _LONGEST:
            line = f"{line[:_LONGEST]} ... and {len(line) - _LONGEST} more characters (-o json has all)"
        hang = "\n" + " " * len(lead)
        self._line(one_line(lead) + hang.join(folded(line, self.width - len(lead))), colour)

    def long_line(self, text: str, hang: int = 9, colour: Colour | None = None) -> None:
        """One line however long it is where the result is piped; on a terminal folded at its width, and hung so far."""
        from kubevouch.cli.common.layout import hung

        line, columns = one_line(text), self.columns(self.stdout)
        self._line(line if columns is None else hung(line, columns, hang), colour)

    def command(
        self, lead: str, command: str | Sequence[str], *, beside_an_error: bool = False
    ) -> None:
        """A command line to copy, behind a heading. It is never folded: a terminal wraps it so that it can be copied.

        beside_an_error: it goes where the error went.
        """
        line = f"{lead}{one_line(self.hint(command))}"
        if beside_an_error:
            self._write(self.stderr, f"{line}\n")
        else:
            self.out(line)

    def hint(self, command: str | Sequence[str]) -> str:
        """A command line to copy: it acts where the one that runs now does."""
        line = command if isinstance(command, str) else join(command)
        return self.invocation.line(line) if self.invocation else line

    def with_flags(self, text: str) -> str:
        """A sentence, and behind it the flags that a command in it needs for this cluster."""
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
        """What is waited for now, for somebody who watches; "" for nothing any more."""
        if self.progress is None:
            return
        if text:
            self.progress.begin("doing", text)
        else:
            self.progress.end("doing")

    def error(self, text: str) -> None:
        """Prints an error, on one line: others' words are in it."""
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
        """Nothing more can go there; Python's own flush at the end must not try again."""
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
        """The result goes to a terminal that knows ECMA-48."""
        return self.stdout.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    @property
    def has_colour(self) -> bool:
        """The result goes to a terminal that shows colours, and nobody has forbidden them (no-color.org)."""
        return self.shows_escapes and not self.environment.get("NO_COLOR")

    @property
    def is_live(self) -> bool:
        """Somebody watches standard error: progress may be drawn over."""
        return self.stderr.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    def may_write(self, roles: str) -> None:
        """Of a verb that has not written yet. roles: the command that prints those that it needs."""
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
        """For what will be confirmed later: whoever cannot be asked is refused at once. Raises UsageError. yes: it needs no answer."""
        if not (yes or self.dry_run or self.can_ask):
            raise UsageError("standard input", "is not a terminal to ask at", "expected --yes")

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer a question."""
        return self.stderr.isatty() and self.stdin.isatty()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Who ends a question, by however many Ctrl-C, is told that nothing was changed: every question comes before the first write."""
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
        """What is typed in without being shown; empty if it is nothing."""
        import click

        with self._asking():
            word = click.prompt(question, default="", show_default=False, hide_input=True, err=True)
        return str(word)

    def _forget_typed_ahead(self) -> None:
        """What was typed before a question was there to read does not answer it."""
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self.stdin.fileno(), termios.TCIFLUSH)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        folds: bool = True,
    ) -> None:
        """Columns as kubectl prints them: upper-case headings, three blanks between, nothing cut off.

        A table that is wider than the terminal is folded inside its cells; unless `folds`, a row is always one line.
        """
        from kubevouch.cli.common.layout import table_lines

        cells = [[one_line(cell) for cell in row] for row in (columns, *rows)]
        width = self.columns(self.stdout) if folds else None
        for line in table_lines(cells, width):
            self._line(line.rstrip())
