"""What can be wrong with a configuration file, and where."""

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """One a kind of fault or oddity, stable for JSON."""

    # Nothing can be read: the kubelet would not start with it, or (as the text then says) only we do not read it.
    TOO_LARGE = "too-large"
    EMPTY = "empty"
    NOT_UTF8 = "not-utf-8"
    NOT_YAML = "not-yaml"
    NOT_JSON = "not-json"
    NESTED_TOO_DEEPLY = "nested-too-deeply"
    TOO_MANY_ALIASES = "too-many-aliases"
    NOT_A_MAPPING = "not-a-mapping"
    WRONG_KIND = "wrong-kind"
    WRONG_TYPE = "wrong-type"
    # Read, and not all of it counts.
    DUPLICATE_KEY = "duplicate-key"
    WRONG_CASE = "wrong-case"
    UNKNOWN_KEY = "unknown-key"
    FURTHER_DOCUMENT = "further-document"
    # Read, and worth knowing before an edit.
    ALIAS = "alias"
    MERGE_KEY = "merge-key"
    CRLF = "crlf"
    BOM = "bom"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong. `line` and `column` count from 1; 0 where the whole file is meant. `key` is dotted.

    fatal: nothing of the file can be used.
    """

    kind: ProblemKind
    text: str
    line: int = 0
    column: int = 0
    key: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.text}" if self.line else self.text
