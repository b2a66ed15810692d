"""The exit codes of every verb, and the base of all errors that users see.

A room that reads from outside (kube, kubelet, node, ...) keeps its own small file of subclasses.
The class says what the caller can do about the error. Errors are raised deep down, and `cli` prints
them once, at the top; users see no traceback.
"""

from collections.abc import Iterable
from enum import IntEnum


def nearest(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """The remedy for an unknown word: the known ones with this first label, else the similar one, else `otherwise`."""
    from difflib import get_close_matches

    words = sorted(known)
    close = _with_label(word, words)[:2] or get_close_matches(word, words, n=1)
    return f"did you mean {' or '.join(close)}?" if close else otherwise


def _with_label(label: str, names: Iterable[str]) -> list[str]:
    return [each for each in names if each.partition(".")[0] == label]


def full_names(words: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The full names of the nodes that these words name, each once.

    The first label of a name is enough if it is unique: only to look at a node, for another one may have it tomorrow.
    An unknown word stays as it is.
    """
    nodes = frozenset(known)
    found = dict[str, None]()
    for word in words:
        short = _with_label(word, nodes)
        found[short[0] if len(short) == 1 and word not in nodes else word] = None
    return tuple(found)


class ExitCode(IntEnum):
    """The exit code of a process, the same for every verb and every `-o`. The numbers never change."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    COULD_NOT_TELL = 3
    STOPPED = 4
    UNDONE = 5
    INTERRUPTED = 130


# If several codes apply, the process exits with the first of these.
_PRECEDENCE = (
    ExitCode.USAGE,
    ExitCode.INTERRUPTED,
    ExitCode.STOPPED,
    ExitCode.UNDONE,
    ExitCode.FINDINGS,
    ExitCode.COULD_NOT_TELL,
    ExitCode.OK,
)


def combined_exit_code(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code for several results: 2 > 130 > 4 > 5 > 1 > 3 > 0. Without any result it is 0."""
    seen = set(codes)
    return next((code for code in _PRECEDENCE if code in seen), ExitCode.OK)


class KubevouchError(Exception):
    """An error that a user reads as *where: what was seen; what was expected*."""

    exit_code: ExitCode = ExitCode.COULD_NOT_TELL

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        self.where = where
        self.seen = seen
        self.expected = expected
        self.leads_on: tuple[str, ...] = ()
        """Command lines for the next steps, in order, if the verb knows them."""
        self.lacks_rights = False
        """Whether roles would help: the API server denies the user what we requested."""

    def __str__(self) -> str:
        return f"{self.where}: {self.seen}" + (f"; {self.expected}" if self.expected else "")


class UsageError(KubevouchError):
    """The verb does not accept the command line, or a file that it names."""

    exit_code = ExitCode.USAGE
