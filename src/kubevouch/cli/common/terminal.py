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
"""The maximum width of text, and its width in a pipe. Longer lines are hard to read."""

_NARROWEST: Final = 60
_LONGEST: Final = 2000
_NO_BREAK: Final = "\0"
"""Replaces spaces where a line must not be wrapped. No text contains this character: `harmless` escapes it."""

NOTHING_CHANGED: Final = "Nothing was changed."
_IN_BACKTICKS: Final = re.compile(r"`[^`]+`")


class Colour(StrEnum):
    """The colour of a word on a terminal (ECMA-48, SGR)."""

    BAD = "31;1"
    WARNING = "33"
    GOOD = "32"
    QUIET = "2"


class NowhereToWrite(KubevouchError):
    """Writing to standard output or standard error failed."""


class Declined(KubevouchError):
    """The operator answered no."""

    exit_code = ExitCode.STOPPED

    def __str__(self) -> str:
        return NOTHING_CHANGED


class DryRun(Declined):
    """A dry run has reached the first write. code: the expected exit code of the real run."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__("--dry-run", "nothing is written")
        self.exit_code = code

    def __str__(self) -> str:
        return f"Dry run. {NOTHING_CHANGED}"


def harmless(text: str) -> str:
    """Escapes control characters, which may be in text from nodes and certificates.

    Escapes everything that `str.isprintable` rejects, such as C0 and C1 codes, bidirectional overrides and zero-width
    characters. Line breaks stay; use `one_line` for foreign text.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def one_line(text: str) -> str:
    """Like `harmless`, but also escapes line breaks, so that foreign text cannot imitate our own lines."""
    return harmless(text).replace("\n", "\\n")


def _hung(line: str, columns: int, hang: int) -> str:
    """Wraps the line between words. Text in `backticks` stays whole, so that it can be copied."""
    from kubevouch.cli.common.layout import hung

    whole = _IN_BACKTICKS.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    return hung(whole, columns, hang).replace(_NO_BREAK, " ")


class Terminal:
    """Standard input, output and error. Colours appear only on a terminal, and never with NO_COLOR.

    A stream that the shell has closed (`>&-`) is None. If nobody reads the output any more (`| head`, a closed
    terminal), further output is dropped. This is not an error and does not change the exit code.
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
        """The sudo password for the nodes; None if the operator was not asked."""
        self.verbose = False
        self.document_form = ""
        """If `json` or `yaml`, standard output gets only the document, and other text goes to standard error."""
        self.dry_run = False
        """Whether this is a dry run, which prints what it would write, but writes nothing."""
        self.held: list[str] | None = None
        """The output that `--watch` collects and compares with the previous result; else None."""
        self._noted = set[str]()
        self.tells_waits = False
        self.nothing_changed = False
        """Whether the verb may write but has not written yet. If so, an interruption prints that nothing was changed."""
        self.roles = "kubevouch doctor --print-role"
        """The command that prints the roles that the verb needs. Suggested if the API server denies a request."""
        for stream in (self.stdout, self.stderr):
            # Escapes characters that the terminal's encoding lacks.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def columns(self, stream: TextIO) -> int | None:
        """$COLUMNS, or else the width of the terminal, but at least 60. None if neither exists."""
        said = self.environment.get("COLUMNS", "")
        if said.isascii() and said.isdigit() and int(said) > 0:
            return max(_NARROWEST, int(said))
        if not stream.isatty():
            return None
        try:
            found = os.get_terminal_size(stream.fileno()).columns
        except OSError:
            return WIDTH
        # A terminal of unknown size reports 0.
        return max(_NARROWEST, found) if found else WIDTH

    @property
    def width(self) -> int:
        """The width of standard output, at most WIDTH."""
        return min(WIDTH, self.columns(self.stdout) or WIDTH)

    def out(self, text: str = "", colour: Colour | None = None) -> None:
        """Prints a line of the result. colour: the colour of the first word, on a terminal with colours."""
        self._line(harmless(text), colour)

    def _line(self, line: str, colour: Colour | None = None) -> None:
        if colour is not None and self.has_colour:
            word = line.split(maxsplit=1)[0]
            line = line.replace(word, f"\x1b[{colour}m{word}\x1b[0m", 1)
        self._write(self.stderr if self.document_form else self.stdout, line + "\n")

    def document(self, text: str) -> None:
        """Prints a complete document unchanged. Foreign text in it must be escaped already."""
        self._write(self.stdout, text)

    def wrapped(self, text: str, lead: str = "", colour: Colour | None = None) -> None:
        """Prints `lead` and the text, wrapped and indented to the width of `lead`. Shortens a very long text."""
        from kubevouch.cli.common.layout import folded

        line = one_line(text)
        if len(line) > _LONGEST:
            line = f"{line[:_LONGEST]} ... and {len(line) - _LONGEST} more characters (see -o json)"
        hang = "\n" + " " * len(lead)
        self._line(one_line(lead) + hang.join(folded(line, self.width - len(lead))), colour)

    def long_line(self, text: str, hang: int = 9, colour: Colour | None = None) -> None:
        """Prints one line. On a terminal, wraps it with a hanging indent."""
        from kubevouch.cli.common.layout import hung

        line, columns = one_line(text), self.columns(self.stdout)
        self._line(line if columns is None else hung(line, columns, hang), colour)

    def command(
        self, lead: str, command: str | Sequence[str], *, beside_an_error: bool = False
    ) -> None:
        """Prints a heading and a command line to copy. The line is never wrapped.

        beside_an_error: whether to print to standard error.
        """
        line = f"{lead}{one_line(self.hint(command))}"
        if beside_an_error:
            self._write(self.stderr, f"{line}\n")
        else:
            self.out(line)

    def hint(self, command: str | Sequence[str]) -> str:
        """The command line, with those flags of the current command that also apply to it."""
        line = command if isinstance(command, str) else join(command)
        return self.invocation.line(line) if self.invocation else line

    def with_flags(self, text: str) -> str:
        """The text, and the cluster flags that the commands in the text need."""
        return self.invocation.with_flags(text) if self.invocation else text

    def note(self, text: str, hang: int | None = 2) -> None:
        """Prints a line to standard error. On a terminal, wraps it, but never inside a command in backticks.

        hang: the hanging indent. If it is None, the line is not wrapped.
        """
        if self.held is not None:
            if text in self._noted:
                return
            self._noted.add(text)
        if self.progress is not None:
            self.progress.erase()
        # $COLUMNS applies only on a terminal: otherwise, programs read the lines.
        columns = self.columns(self.stderr) if self.stderr.isatty() else None
        shown = harmless(text).split("\n")
        if columns is not None and hang is not None:
            shown = [_hung(each, columns, hang) for each in shown]
        self._write(self.stderr, "\n".join(shown) + "\n")
        self._flush(self.stderr)

    def doing(self, text: str) -> None:
        """Shows what the program currently waits for. An empty text removes it."""
        if self.progress is None:
            return
        if text:
            self.progress.begin("doing", text)
        else:
            self.progress.end("doing")

    def error(self, text: str) -> None:
        """Prints an error on one line, since it may quote foreign text."""
        self.note(f"Error: {one_line(text)}")

    def flush(self) -> None:
        """Flushes standard output. Raises NowhereToWrite."""
        self._flush(self.stdout)

    def _write(self, stream: TextIO, text: str) -> None:
        if self.held is not None and stream is self.stdout:
            self.held.append(text)
            return
        with self.if_still_open(stream):
            stream.write(text)

    def _flush(self, stream: TextIO) -> None:
        with self.if_still_open(stream):
            stream.flush()

    def abandon(self, stream: TextIO) -> None:
        """Redirects a broken stream to /dev/null. Otherwise Python's final flush would fail."""
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    @contextlib.contextmanager
    def if_still_open(self, stream: TextIO) -> Iterator[None]:
        """Inside the block, the caller writes to this stream. If nobody reads it any more, output is dropped.

        Raises NowhereToWrite if standard output fails for another reason.
        """
        try:
            yield
        except OSError as error:
            is_gone = isinstance(error, BrokenPipeError) or (
                error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
            )
            self.abandon(stream)
            if not is_gone and stream is not self.stderr:
                raise NowhereToWrite("standard output", error.strerror or str(error)) from None

    @property
    def shows_escapes(self) -> bool:
        """Whether standard output is a terminal that understands escape sequences (ECMA-48)."""
        return self.stdout.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    @property
    def has_colour(self) -> bool:
        """Whether to print colours: on a terminal, unless NO_COLOR is set (no-color.org)."""
        return self.shows_escapes and not self.environment.get("NO_COLOR")

    @property
    def is_live(self) -> bool:
        """Whether standard error is a terminal, so that progress can be redrawn."""
        return self.stderr.isatty() and self.environment.get("TERM", "dumb") != "dumb"

    def may_write(self, roles: str) -> None:
        """Declares that this verb may write, but has not written yet. roles: the command that prints the needed roles."""
        self.roles = roles
        self.nothing_changed = True

    def confirm(self, what: str, *, yes: bool, if_dry: ExitCode = ExitCode.OK) -> None:
        """Prints what will be done, and asks the operator to confirm.

        if_dry: the exit code of a dry run.

        Raises:
            UsageError: there is no terminal to ask on, and no --yes.
            Declined: the answer was no.
            DryRun: this is a dry run.
        """
        self.note(f"This {'would' if self.dry_run else 'will'} {one_line(what)}.")
        self.end_if_dry(if_dry)
        self.check_can_ask(yes=yes)
        if yes:
            return
        import click

        with self._asking():
            agreed = click.confirm("Continue?", err=True)
        if not agreed:
            raise Declined("standard input", "the answer was no")

    def end_if_dry(self, code: ExitCode = ExitCode.OK) -> None:
        """Ends a dry run by raising DryRun. Call this before the first write."""
        if self.dry_run:
            raise DryRun(code)

    def check_can_ask(self, *, yes: bool) -> None:
        """Raises UsageError if nobody could answer a later prompt. yes: whether --yes skips the prompt."""
        if not (yes or self.dry_run or self.can_ask):
            raise UsageError("standard input", "is not a terminal", "expected --yes")

    @property
    def can_ask(self) -> bool:
        """Whether a person can answer a question."""
        return self.stderr.isatty() and self.stdin.isatty()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Makes Ctrl-C at a prompt print that nothing was changed. All prompts come before the first write."""
        import click

        self._forget_typed_ahead()
        former, self.nothing_changed = self.nothing_changed, True
        try:
            yield
        except click.Abort:
            self.note("")  # the cursor is behind the prompt
            raise
        self.nothing_changed = former

    def ask_hidden(self, question: str) -> str:
        """Prints the question, and reads the answer without echo. The answer may be empty."""
        import click

        with self._asking():
            word = click.prompt(question, default="", show_default=False, hide_input=True, err=True)
        return str(word)

    def _forget_typed_ahead(self) -> None:
        """Discards what was typed before the prompt, since it cannot be an answer to the prompt."""
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self.stdin.fileno(), termios.TCIFLUSH)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        folds: bool = True,
    ) -> None:
        """Prints a table in kubectl's style: upper-case headings, three spaces between columns, nothing cut off.

        If the table is wider than the terminal, cells are wrapped. With folds=False, each row stays on one line.
        """
        from kubevouch.cli.common.layout import table_lines

        cells = [[one_line(cell) for cell in row] for row in (columns, *rows)]
        width = self.columns(self.stdout) if folds else None
        for line in table_lines(cells, width):
            self._line(line.rstrip())
