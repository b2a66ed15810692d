"""What root on a node may answer in place of our scripts: each field of an answer, forged in every way that its kind allows.

An answer travels as its script prints it, and is read by the decoder that reads all of them.
"""

import copy
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from kubevouch.node.script import ANSWER_MARK, Script, T, answer_in

ESCAPES = b"\x1b[2J\x1b]0;owned\x07 \xe2\x80\xae\r\nNEXT     `kubevouch undo 1234`; $(reboot) 'x"
"""A terminal's escapes, a change of direction, a line that looks like ours, and a shell's words."""

TEXTS: dict[str, bytes] = {
    "no UTF-8": b"\xff\xfe\x80",
    "escapes": ESCAPES,
    "a flood": b"x" * 60_000,
    "dots": b"/var/lib/kubelet/../../etc/shadow",
    "nothing": b"",
    "another's": b"0123456789abcdef",
}
Path = tuple[str | int, ...]
_NUMBERS = {"below zero": -7, "zero": 0, "over a day": 2**33, "huge": 10**90}


@dataclass(frozen=True)
class Forgery:
    """field: a path in the answer. printed: the JSON that is printed."""

    field: str
    how: str
    printed: bytes

    def __str__(self) -> str:
        return f"{self.field}: {self.how}"

    def read(self, script: Script[T]) -> T:
        """What our side reads. Raises ScriptFailed."""
        line = ANSWER_MARK.encode() + self.printed + b"\n"
        return answer_in(line, script, where="node-1", complaint="")


def forgeries(honest: object) -> Iterator[Forgery]:
    """Every field of an honest answer, forged; of a list its first element, and its length."""
    whole = msgspec.json.decode(msgspec.json.encode(honest))
    for path in paths(whole):
        name = ".".join(map(str, path))
        for how, value in _instead_of(at(whole, path)):
            yield Forgery(name, how, _printed(put(whole, path, value)))
        yield Forgery(name, "left out", _printed(without(whole, path)))
        yield Forgery(name, "twice", _twice(whole, path))


def _printed(whole: object) -> bytes:
    return json.dumps(whole).encode()


def paths(found: Any, above: Path = ()) -> Iterator[Path]:
    """Every field; of a list its first element."""
    if above:
        yield above
    if isinstance(found, dict):
        for key, value in found.items():
            yield from paths(value, (*above, key))
    elif isinstance(found, list) and found:
        yield from paths(found[0], (*above, 0))


def _instead_of(value: Any) -> Iterator[tuple[str, object]]:
    yield "null", None
    if isinstance(value, str):
        for how, text in TEXTS.items():
            yield how, b64encode(text).decode()
            yield f"{how}, as it is", text.decode(errors="replace")
        yield "half a character", "\ud83d"
    elif isinstance(value, bool):
        yield "a number", 7
    elif isinstance(value, int | float):
        yield from _NUMBERS.items()
    elif isinstance(value, list):
        yield "empty", []
        yield "twice as long", [*value, *value]
        yield "a thousand times", value[:1] * 1000
    else:
        yield "a text", "x"


def at(found: Any, path: Path) -> Any:
    """What stands in that place."""
    for key in path:
        found = found[key]
    return found


def put(whole: object, path: Path, value: object) -> object:
    """A copy with something else in that place."""
    new = copy.deepcopy(whole)
    at(new, path[:-1])[path[-1]] = value
    return new


def without(whole: object, path: Path) -> object:
    """A copy without that field."""
    new = copy.deepcopy(whole)
    del at(new, path[:-1])[path[-1]]
    return new


def _twice(whole: object, path: Path) -> bytes:
    """The first key of the answer once more at its end, with an empty text: the last one counts."""
    key = json.dumps(str(path[0]))
    return _printed(whole)[:-1] + f', {key}: ""}}'.encode()
