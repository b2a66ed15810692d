"""JSON values as YAML, as kubectl shows objects: for reading and for diffs. Keys in one order, strings quoted where need be."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from kubevouch import goyaml

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.@%+,*() :=$-]*")


def yaml_lines(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    """The lines of a block in YAML."""
    return list(_block(value, ""))


def _block(value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _entry(f"{indent}{_scalar(key)}:", value[key], indent)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield indent + _scalar(value)


def _entry(lead: str, value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, str) and _is_literal(value):
        yield f"{lead} |"
        for line in value.splitlines():
            yield f"{indent}  {line}".rstrip()
    elif isinstance(value, dict | list) and value:
        yield lead
        yield from _block(value, indent + ("  " if isinstance(value, dict) else ""))
    else:
        yield f"{lead} {_scalar(value)}"


def _is_literal(text: str) -> bool:
    """Whether it can be shown line by line: several plain lines, the last one ended."""
    lines = text.split("\n")
    plain = all(each.isprintable() for each in lines) and not text.startswith((" ", "\n"))
    return len(lines) > 1 and plain and lines[-1] == "" and lines[-2] != ""


def _item(item: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    lines = list(_block(item, indent + "  "))
    yield f"{indent}- {lines[0][len(indent) + 2 :]}"
    yield from lines[1:]


def _scalar(value: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=4096)
def _is_plain(text: str) -> bool:
    """Whether YAML has it as that text without quotes. Objects have few words, and each of them hundreds of times."""
    if not _PLAIN.fullmatch(text) or ": " in text or text.endswith((":", " ")):
        return False
    return bool(goyaml.read(text.encode()) == text)
