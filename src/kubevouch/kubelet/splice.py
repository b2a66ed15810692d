"""Sets `serverTLSBootstrap: true` in a configuration file without changing any other byte.

A YAML library would rewrite the file, and change line ends, quotes, comments and folded text. So we
find the key by the positions of the parsed nodes, replace its bytes, and parse the result again.
The result must equal the old content with that one key set. Otherwise we return a Refusal with the
line and the reason, and the operator can edit the file.

The file is `/var/lib/kubelet/config.yaml`, or the `kubelet` text in ConfigMap kubelet-config.
"""

import codecs
import difflib
import re
from dataclasses import dataclass
from typing import Final

from kubevouch.goyaml import MappingEntry
from kubevouch.kubelet.configuration import BOOTSTRAP_KEY, ConfigurationFile, configuration_of
from kubevouch.kubelet.document import ConfigDocument, Problem, ProblemKind, Value, read_document
from kubevouch.x509 import printable

_BY_HAND: Final = f"set {BOOTSTRAP_KEY}: true by hand"


@dataclass(frozen=True, slots=True)
class Edit:
    """The file before and after the edit. Both are the same if nothing needs to change."""

    old: ConfigDocument
    new: ConfigDocument

    @property
    def before(self) -> bytes:
        """The whole file before the edit."""
        return self.old.content

    @property
    def after(self) -> bytes:
        """The whole file after the edit."""
        return self.new.content

    def diff(self, path: str) -> str:
        """A unified diff of the edit; empty if nothing needs to change."""
        return unified_diff(self.before, self.after, path)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the file is not edited, and what to do instead.

    `line` and `column` count from 1; 0 means the whole file.
    """

    reason: str
    remedy: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{where}{self.reason}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class _Splice:
    """An edit that replaces the characters from `start` to `end` with `text`."""

    start: int
    end: int
    text: str

    def made(self, text: str) -> str:
        return text[: self.start] + self.text + text[self.end :]


def set_server_tls_bootstrap(content: bytes) -> Edit | Refusal:
    """The edit that sets serverTLSBootstrap to true, or a Refusal.

    Never raises, whatever bytes `content` has.
    """
    return set_in_document(read_document(content))


def set_in_document(document: ConfigDocument) -> Edit | Refusal:
    """Like set_server_tls_bootstrap, but for a document that is already parsed."""
    file = configuration_of(document, "")
    if unclear := _first_problem(file, (ProblemKind.DUPLICATE_KEY, ProblemKind.FURTHER_DOCUMENT)):
        return _refused(unclear, "remove the ambiguity by hand first")
    if document.tree.get(BOOTSTRAP_KEY) is True:
        return Edit(document, document)
    if ignored := _first_problem(file, (ProblemKind.WRONG_CASE,), BOOTSTRAP_KEY):
        return _refused(ignored, "rename or remove the key by hand first")
    if merge := _first_problem(file, (ProblemKind.MERGE_KEY,), ""):
        return _refused(merge, _BY_HAND)
    splices = _splices(document)
    if isinstance(splices, Refusal):
        return splices
    return _checked_edit(document, splices)


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """The only line in which two versions of a file differ.

    ours: the new line. before: the old line; empty if the line was added. Lines include their end.
    """

    ours: bytes
    before: bytes


def changed_line(before: bytes, after: bytes) -> ChangedLine | None:
    """The only line of `after` that is changed or new; None if the files differ in another way."""
    old, new = (content.removesuffix(b"\n").split(b"\n") for content in (before, after))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    rest = len(new) - start - 1
    replaced = old[start : len(old) - rest]
    if (
        rest < 0
        or len(old) - rest < start
        or len(replaced) > 1
        or old[len(old) - rest :] != new[start + 1 :]
    ):
        return None
    return ChangedLine(new[start] + b"\n", b"".join(line + b"\n" for line in replaced))


def unified_diff(before: bytes, after: bytes, path: str) -> str:
    """A unified diff for display. Does not show line ends, and escapes control characters."""

    def lines(content: bytes) -> list[str]:
        text = content.decode(errors="backslashreplace").removesuffix("\n")
        return [printable(line.removesuffix("\r")) for line in text.split("\n")]

    shown = printable(path)
    made = difflib.unified_diff(lines(before), lines(after), f"a{shown}", f"b{shown}", lineterm="")
    return "".join(f"{line}\n" for line in made)


def _first_problem(
    file: ConfigurationFile, kinds: tuple[ProblemKind, ...], key: str | None = None
) -> Problem | None:
    """The first fatal problem, or else the first problem of these kinds.

    key: if given, only problems of this key, in upper or lower case.
    """
    if file.fatal:
        return file.fatal
    for problem in file.problems:
        about = key is None or problem.key.casefold() == key.casefold()
        if problem.kind in kinds and about:
            return problem
    return None


def _checked_edit(document: ConfigDocument, splices: list[_Splice]) -> Edit | Refusal:
    """The edit from the first splice that sets the key and changes nothing else, or a Refusal."""
    mark = codecs.BOM_UTF8 if document.content.startswith(codecs.BOM_UTF8) else b""
    for splice in splices:
        made = read_document(mark + splice.made(document.text).encode())
        if _adds_one_key(document, made):
            return Edit(document, made)
    return Refusal("found no place for a new line that sets only this key", _BY_HAND)


def _refused(problem: Problem, remedy: str) -> Refusal:
    remedy = "fix the file by hand first" if problem.fatal else remedy
    return Refusal(problem.text, remedy, problem.line, problem.column)


def _splices(document: ConfigDocument) -> list[_Splice] | Refusal:
    """The splices to try, in order of preference, or a Refusal."""
    root = document.root
    assert root is not None
    for entry in root.entries:
        if entry.key == BOOTSTRAP_KEY:
            return _replacing(document.text, entry)
    first = root.entries[0].key_node.start
    if root.flow:
        return Refusal("the file is JSON, or YAML with braces", _BY_HAND, *root.start[:2])
    indent = " " * (first.column - 1)
    return [
        _line_at(document.text, root.end.offset, indent),
        _line_at(document.text, first.offset - len(indent), indent),
    ]


def _replacing(text: str, entry: MappingEntry) -> list[_Splice] | Refusal:
    start, end = entry.node.start.offset, entry.node.end.offset
    line, column, _ = entry.key_node.start
    if start < entry.key_node.end.offset:
        return Refusal(f"the value of {BOOTSTRAP_KEY} is an alias", _BY_HAND, line, column)
    written = text[start:end]
    if written.startswith("&"):
        return Refusal(f"the value of {BOOTSTRAP_KEY} has an anchor", _BY_HAND, line, column)
    # A key without a value: the node starts right after the colon.
    return [_Splice(start, end, "true" if written else " true")]


def _line_at(text: str, index: int, indent: str) -> _Splice:
    """A splice that inserts the key's line at `index`. Adds a missing line end before the line."""
    line = f"{indent}{BOOTSTRAP_KEY}: true"
    end = _line_end(text, index)
    if index and text[index - 1] not in "\r\n":
        return _Splice(index, index, end + line)
    return _Splice(index, index, line + end)


def _line_end(text: str, index: int) -> str:
    """The last line end before this position; if there is none, the last in the whole text."""
    ends = re.findall(r"\r\n|\n|\r", text[:index]) or re.findall(r"\r\n|\n|\r", text)
    return str(ends[-1]) if ends else "\n"


def _adds_one_key(old: ConfigDocument, new: ConfigDocument) -> bool:
    """Whether the new file equals the old one with the key set, without any new problem."""
    if new.root is None or not _same(new.tree, {**old.tree, BOOTSTRAP_KEY: True}):
        return False
    return [(p.kind, p.key) for p in new.problems] == [(p.kind, p.key) for p in old.problems]


def _same(one: Value, other: Value) -> bool:
    """Whether two values and their types are equal at every level. In Python, 1 equals True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
