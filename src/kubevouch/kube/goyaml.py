"""YAML and JSON files read as Go's sigs.k8s.io/yaml reads them, within bounds.

A kubeconfig must mean the same here and in kubectl, so plain scalars become what go.yaml.in/yaml/v2's
resolve.go makes of them (`yes` is a boolean, `1e3` a number, `12:30:45` and `2001-01-01` are text), a later
duplicate key wins, `<<` merges in the order it stands, and only the first document counts.

The text is hostile: values are built from parser events, so that depth, number of values and what aliases
multiply are counted before anything is built from them. No tag constructs an object.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

Value = Any  # None, bool, int, float, str, list of values, dict of values by text

MAX_BYTES: Final = 1024 * 1024
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 100

_TAG = "tag:yaml.org,2002:"
_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_NULL = {"", "~", "null", "Null", "NULL"}
_SPECIAL_FLOAT = re.compile(r"^(?:\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF))$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
# strconv.ParseInt with base 0, and resolve.go's own 0b.
_INTEGER = re.compile(r"^[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$")
_TIMESTAMP = re.compile(r"^[0-9]{4}-")

# libyaml's parser is what Go's was ported from; PyYAML's own stands in where it is not built in.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(ValueError):
    """Inside this room: the text says what is wrong; whoever knows the file's name adds it."""


def read(data: bytes) -> Value:
    """The first document of `data`; None if there is none. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"{len(data)} bytes long, more than {MAX_BYTES}")
    try:
        return _Builder(yaml.parse(data, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise Unreadable(f"{place}not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        raise Unreadable(f"byte {error.position}: not YAML: {error.reason}") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise Unreadable("not YAML: " + " ".join(str(error).split())[:200]) from None


class _Builder:
    """Values from parser events, counted."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._values = 0

    def document(self) -> Value:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                return self._value(next(self._events), 0)
        return None

    def _value(self, event: Any, depth: int) -> Value:  # noqa: ANN401 - PyYAML's event
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor or "")
        self._count(1)
        before = self._values
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif depth == MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH}")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = list(self._sequence(depth + 1))
        else:
            value = self._mapping(depth + 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before + 1)
        return value

    def _aliased(self, anchor: str) -> Value:
        if anchor not in self._anchors:
            raise Unreadable(f"alias *{anchor} stands before its anchor, or inside it")
        value, size = self._anchors[anchor]
        self._count(size)
        return value

    def _count(self, more: int) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            raise Unreadable(f"more than {MAX_VALUES} values, aliases counted")

    def _sequence(self, depth: int) -> Iterator[Value]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._value(event, depth)

    def _mapping(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            merges = isinstance(event, yaml.ScalarEvent) and _is_merge(event)
            key = self._value(event, depth)
            value = self._value(next(self._events), depth)
            if merges:
                found.update(_merged(value))
            else:
                found[_key(key)] = value
        return found


def _is_merge(event: yaml.ScalarEvent) -> bool:
    return event.value == "<<" and (event.implicit[0] or event.tag == f"{_TAG}merge")


def _merged(value: Value) -> dict[str, Value]:
    """What `<<: value` adds: a mapping, or a list of mappings of which the first wins."""
    sources = value if isinstance(value, list) else [value]
    merged: dict[str, Value] = {}
    for source in reversed(sources):
        if not isinstance(source, dict):
            raise Unreadable("<< merges something that is not a mapping")
        merged.update(source)
    return merged


def _key(key: Value) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int):
        return str(key)
    raise Unreadable("a key of a mapping is neither text, number nor boolean")


def _scalar(event: yaml.ScalarEvent) -> Value:
    text, tag = event.value, event.tag or ""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unreadable("half of a surrogate pair in a text")
    if not tag:
        return _resolved(text) if event.implicit[0] else text
    if tag == f"{_TAG}binary":
        return _binary(text)
    kinds: dict[str, tuple[type, ...]] = {
        f"{_TAG}bool": (bool,),
        f"{_TAG}int": (int,),
        f"{_TAG}float": (int, float),
        f"{_TAG}null": (type(None),),
    }
    if tag not in kinds:
        return text
    value = _resolved(text)
    if not isinstance(value, kinds[tag]) or (isinstance(value, bool) and bool not in kinds[tag]):
        raise Unreadable(f"cannot decode `{text[:40]}` as a !!{tag.removeprefix(_TAG)}")
    return value


def _resolved(text: str) -> Value:
    """A plain scalar, as resolve.go reads it."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _SPECIAL_FLOAT.match(text):
        raise Unreadable(f"{text} is no value of JSON")
    if text[0] not in "+-.0123456789" or _TIMESTAMP.match(text):
        return text
    return _number(text)


def _number(text: str) -> int | float | str:
    plain = text.replace("_", "")
    if _INTEGER.match(plain) and len(plain) < 70:  # sign, prefix and 64 binary digits
        value = _integer(plain.lower())
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.match(plain) and abs(real := float(plain)) != float("inf"):
        return real
    return text


def _integer(plain: str) -> int:
    digits = plain.lstrip("+-")
    octal = digits.startswith("0") and digits.isdecimal()
    value = int(digits, 8) if octal else int(digits, 0)
    return -value if plain.startswith("-") else value


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise Unreadable("a !!binary value is not base64 of text") from None
