"""A document is the JSON that Python's own encoder makes of it, whatever stands in it, though it is written in pieces."""

import io
import json
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import pytest

from kubevouch import __version__, goyaml
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Terminal


class Word(StrEnum):
    ONE = "one"


class Row(msgspec.Struct, frozen=True, rename="camel"):
    whose_it_is: str
    at: datetime
    word: Word = Word.ONE
    data: bytes = b"\x00\xff"


ROW = Row("n\x7f\u202e", datetime(2026, 11, 26, tzinfo=UTC))
CONTENTS: dict[str, dict[str, object]] = {
    "nothing": {},
    "values": {"a": 1, "b": None, "c": True, "d": 1.5, "e": "\x1b[31m", "f": Word.ONE, "g": ROW},
    "lists": {"none": [], "one": [ROW], "more": ("a", [1, {"b": (2,)}], ROW), "e": {"in": [ROW]}},
}


def printed(content: dict[str, object], form: str = "json") -> str:
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    terminal.document_form = form
    print_document(terminal, "kubevouch.test/1", content)
    return out.getvalue()


@pytest.mark.parametrize("name", CONTENTS)
def test_it_is_what_the_whole_would_be_in_one_piece(name: str) -> None:
    document = {"schemaVersion": "kubevouch.test/1", "kubevouch": __version__, **CONTENTS[name]}
    whole = json.dumps(msgspec.to_builtins(document), ensure_ascii=True)
    assert printed(CONTENTS[name]) == whole.replace("\x7f", "\\u007f") + "\n"
    in_yaml = printed(CONTENTS[name], "yaml")
    assert goyaml.read(in_yaml.encode()) == json.loads(whole)
    assert in_yaml.isascii() and "\x7f" not in in_yaml
