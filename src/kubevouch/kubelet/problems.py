"""Problems of a configuration file, and their positions."""

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The kind of a problem. The values are stable, since JSON shows them."""

    # The file cannot be read: the kubelet would not start, or (the text then says so) only we refuse it.
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
    # The file can be read, but part of it has no effect.
    DUPLICATE_KEY = "duplicate-key"
    WRONG_CASE = "wrong-case"
    UNKNOWN_KEY = "unknown-key"
    FURTHER_DOCUMENT = "further-document"
    # The file can be read, but an edit has to know about this.
    ALIAS = "alias"
    MERGE_KEY = "merge-key"
    CRLF = "crlf"
    BOM = "bom"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem. `line` and `column` count from 1; 0 if the whole file is meant. `key` is dotted.

    fatal: the file cannot be used at all.
    """

    kind: ProblemKind
    text: str
    line: int = 0
    column: int = 0
    key: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.text}" if self.line else self.text
