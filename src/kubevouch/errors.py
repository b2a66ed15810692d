"""The exit codes of all commands, and the base class of all errors that users see.

Each package that does I/O (kube, kubelet, node, ...) defines its own few subclasses. The class
tells the caller how to react. Any code may raise an error; `cli` prints it once, at the top level,
without a traceback.
"""

from collections.abc import Iterable
from enum import IntEnum


def nearest(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """Suggests known names (at most two) whose first label is `word`, else the most similar one.

    Returns `otherwise` if no name is similar.
    """
    from difflib import get_close_matches

    words = sorted(known)
    close = _with_label(word, words)[:2] or get_close_matches(word, words, n=1)
    return f"did you mean {' or '.join(close)}?" if close else otherwise


def _with_label(label: str, names: Iterable[str]) -> list[str]:
    return [each for each in names if each.partition(".")[0] == label]


def full_names(words: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Replaces each word that is the first DNS label of exactly one known name by that name.

    Other words stay unchanged; duplicates are dropped. Only read-only commands should use
    this, since a node with the same label may join later.
    """
    nodes = frozenset(known)
    found = dict[str, None]()
    for word in words:
        short = _with_label(word, nodes)
        found[short[0] if len(short) == 1 and word not in nodes else word] = None
    return tuple(found)


class ExitCode(IntEnum):
    """The exit codes, the same for every command and output format. The numbers never change."""

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
    """Returns the code with the highest precedence: 2, 130, 4, 5, 1, 3, 0. Returns 0 for no codes."""
    seen = set(codes)
    return next((code for code in _PRECEDENCE if code in seen), ExitCode.OK)


class KubevouchError(Exception):
    """An error that users see as *where: seen; expected*."""

    exit_code: ExitCode = ExitCode.COULD_NOT_TELL

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        self.where = where
        self.seen = seen
        self.expected = expected
        self.leads_on: tuple[str, ...] = ()
        """Commands that the user can run next, in order."""
        self.lacks_rights = False
        """True if RBAC denied a request, so that more roles would help."""

    def __str__(self) -> str:
        return f"{self.where}: {self.seen}" + (f"; {self.expected}" if self.expected else "")


class UsageError(KubevouchError):
    """The command line, or a file that it names, is invalid."""

    exit_code = ExitCode.USAGE
