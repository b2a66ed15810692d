"""The exit codes of every verb, and the one error that users see.

A door (kube, kubelet, node, ...) keeps its own small file of subclasses: a class says what the caller can
do about it. Errors are raised deep and printed once, at the top, by `cli`; a user never sees a trace.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar


def nearest(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """What would be right in place of an unknown word: the known one that looks like it, else what `otherwise` says."""
    from difflib import get_close_matches

    known = list(known)
    close = get_close_matches(word, known, n=1)
    # A host name without its domain is what people type for a node.
    close = close or [each for each in known if each.partition(".")[0] == word]
    return f"is it {close[0]}?" if close else otherwise


class ExitCode(IntEnum):
    """The contract of the command line, the same for every verb and every `-o`. Frozen."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    COULD_NOT_TELL = 3
    STOPPED = 4
    UNDONE = 5
    INTERRUPTED = 130


# Where several hold, the first of these is what the process exits with.
_PRECEDENCE = (
    ExitCode.USAGE,
    ExitCode.INTERRUPTED,
    ExitCode.STOPPED,
    ExitCode.UNDONE,
    ExitCode.FINDINGS,
    ExitCode.COULD_NOT_TELL,
    ExitCode.OK,
)


def foremost(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code that stands for several: 2 > 130 > 4 > 5 > 1 > 3 > 0. None at all is 0."""
    seen = set(codes)
    return next((code for code in _PRECEDENCE if code in seen), ExitCode.OK)


class KubevouchError(Exception):
    """What a user is told when something cannot go on: *where: what was seen; what was expected*."""

    exit_code: ClassVar[ExitCode] = ExitCode.COULD_NOT_TELL

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        self.where = where
        self.seen = seen
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.where}: {self.seen}" + (f"; {self.expected}" if self.expected else "")


class UsageError(KubevouchError):
    """The command line, or a file named on it, is not what the verb takes."""

    exit_code = ExitCode.USAGE
