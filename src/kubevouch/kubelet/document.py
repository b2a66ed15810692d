"""A kubelet's YAML file, parsed into nodes with positions, and the problems in the file.

`goyaml` parses the YAML. This module first decodes the bytes (byte order mark, JSON), and turns
errors into problems. It keeps the nodes, since an edit of one key needs their positions.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.goyaml import Oddity, Position, YamlNode
from kubevouch.goyaml.scalars import Scalar


class ProblemKind(StrEnum):
    """The kind of a problem in a configuration file."""

    UNREADABLE = "unreadable"
    """A kubelet would not start with this file, or kubevouch cannot parse it. `text` says why."""
    # The file is readable, but part of it has no effect.
    DUPLICATE_KEY = "duplicate-key"
    WRONG_CASE = "wrong-case"
    UNKNOWN_KEY = "unknown-key"
    FURTHER_DOCUMENT = "further-document"
    # The file is readable, but an edit has to know this.
    MERGE_KEY = "merge-key"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in a file. `line` and `column` count from 1; 0 means the whole file.

    key: the key with its parents, joined by dots. fatal: whether the file is unusable.
    """

    kind: ProblemKind
    text: str
    line: int = 0
    column: int = 0
    key: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.text}" if self.line else self.text


LARGEST: Final = 128 * 1024
"""The maximum file size in bytes. kubeadm's files have about 1,200 bytes. Parsing 100 KB with exact
positions takes a second."""

LARGEST_KEPT: Final = 8 * 1024
"""The maximum size in bytes of a file whose parse result is cached. Most nodes of a cluster have
the same file, and parsing takes 10 ms."""

Tree = dict[str, "Value"]
Value = Scalar | list[Any] | Tree

_ODDITIES: Final = {
    Oddity.MERGE_KEY: (ProblemKind.MERGE_KEY, "a merge key (<<)"),
    Oddity.DUPLICATE_KEY: (ProblemKind.DUPLICATE_KEY, "the key {} is a duplicate"),
    Oddity.FURTHER_DOCUMENT: (
        ProblemKind.FURTHER_DOCUMENT,
        "another document, which the kubelet ignores",
    ),
}


@dataclass(frozen=True, slots=True)
class ConfigDocument:
    """The first document of a file; kubelets read no other.

    content: the file's bytes. text: the file without its byte order mark. root: a mapping; None
    after a fatal problem. tree: the values as a kubelet reads them; a duplicate key has its last
    value.
    """

    content: bytes
    text: str
    root: YamlNode | None = None
    tree: Tree = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class _Stop(Exception):
    """Stops the parser at a fatal problem."""

    def __init__(self, text: str, place: tuple[int, int] = (0, 0)) -> None:
        super().__init__(text)
        self.problem = Problem(ProblemKind.UNREADABLE, text, *place, fatal=True)


def read_document(content: bytes) -> ConfigDocument:
    """Parses a file. The result may be cached, so do not change it.

    Never raises. After a fatal problem the document has no root, and its problems give the reason.
    """
    return _kept(content) if len(content) <= LARGEST_KEPT else _read(content)


@lru_cache(maxsize=16)
def _kept(content: bytes) -> ConfigDocument:
    return _read(content)


def _read(content: bytes) -> ConfigDocument:
    problems: list[Problem] = []
    text = ""
    try:
        text = _text(content)
        # PyYAML refuses tabs. In JSON they occur only between tokens, so a space instead changes
        # no position.
        root = _root(text.replace("\t", " ") if _is_json(text) else text, problems)
    except _Stop as stop:
        return ConfigDocument(content, text, problems=(*problems, stop.problem))
    return ConfigDocument(content, text, root, root.value, tuple(problems))


def _text(content: bytes) -> str:
    if len(content) > LARGEST:
        raise _Stop(f"{len(content)} bytes, over the limit of {LARGEST}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        what = f"not UTF-8 (byte 0x{content[error.start]:02x})"
        raise _Stop(what, (line, column)) from None
    return text.removeprefix("\ufeff")


def _is_json(text: str) -> bool:
    """Whether a file is JSON. Raises _Stop if it starts with { but is not valid JSON.

    A kubelet parses such a file as JSON only (utilyaml.IsJSONBuffer).
    """
    if not text.lstrip().startswith("{"):
        return False
    try:
        # Numbers as texts, since Python refuses to convert very long ones.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} (the kubelet reads a file that starts with {{ as JSON)"
        raise _Stop(what, (error.lineno, error.colno)) from None
    except RecursionError:
        pass  # How deep is too deep depends on the Python version, but is far beyond our own limit below, which names the position.
    return True


def _no_constant(word: str) -> str:
    """Rejects NaN and infinities, which Python accepts in JSON and Go does not."""
    raise json.JSONDecodeError(f"{word} is no value", word, 0)


def _root(text: str, problems: list[Problem]) -> YamlNode:
    def note(oddity: Oddity, place: Position, path: str) -> None:
        kind, what = _ODDITIES[oddity]
        problems.append(Problem(kind, what.format(path), *place[:2], path))

    try:
        root = goyaml.compose(text, note)
    except goyaml.UnreadableYaml as error:
        raise _Stop(error.text, (error.line, error.column)) from None
    if root is None:
        raise _Stop("the file has no YAML document")
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        what = f"{kind} instead of `key: value` lines"
        raise _Stop(what, root.start[:2])
    return root
