"""Bodies against the table of fields: what has the wrong type is refused, what is not known is named and left out.

As an API server decodes into Go types: sigs.k8s.io/json for the paths and order of unknown fields, encoding/json for
the texts of wrong types, apimachinery's pkg/api/resource and pkg/apis/meta/v1/time.go for quantities and times.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.openapi.schema import (
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    has_type_meta,
    message_of,
    messages,
)
from kubevouch_lab.objects import Object

_QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_GO = {
    "str": "string",
    "int": "int32",
    "long": "int64",
    "bool": "bool",
    "bytes": "[]uint8",
    "IntOrString": "int32",
}
_INTEGERS = ("int", "long", "IntOrString")
_TYPE_META = ("apiVersion", "kind")
_BITS = {"int": 31, "long": 63}
_MOST = 100  # sigs.k8s.io/json stops there


class WrongType(ValueError):
    """What Go's decoder says of a value that does not fit its field."""


@dataclass(frozen=True)
class Checked:
    """A body without what is not known. unknown: `unknown field "spec.colour"` for each, in the body's order."""

    body: Object
    unknown: tuple[str, ...] = ()

    @property
    def strict_error(self) -> str:
        """`strict decoding error: unknown field "a", unknown field "b"`; empty where all is known."""
        return f"strict decoding error: {', '.join(self.unknown)}" if self.unknown else ""


def unknown_fields(kind: Kind, thing: Object) -> list[str]:
    """`unknown field "spec.colour"` for each field that the kind does not have."""
    return list(checked(kind.api_version, kind.kind, thing).unknown)


def checked(api_version: str, kind: str, thing: Object) -> Checked:
    """A body of that kind, checked; raises WrongType. A kind that is not in the table is let through as it is."""
    message = message_of(api_version, kind)
    if message is None:
        return Checked(thing)
    reader = _StrictReader()
    body = reader.message(message, thing, None)
    named: Object = {key: value for key, value in thing.items() if key in _TYPE_META}
    return Checked({**named, **body}, tuple(reader.unknown))


class _Path(NamedTuple):
    """Where a value stands: made for each, told only of what is wrong.

    step: the name of a field, the key of a mapping, an index. struct: the Go type with the field.
    """

    above: "_Path | None"
    step: str | int
    struct: str
    is_field: bool

    def shown(self) -> str:
        """`spec.containers[0].name`: how unknown fields are named."""
        here = f"[{self.step}]" if isinstance(self.step, int) else f".{self.step}"
        return (self.above.shown() + here) if self.above else here.lstrip(".")

    def fields(self) -> str:
        """`spec.containers.name`: how encoding/json names the same."""
        above = self.above.fields() if self.above else ""
        if not self.is_field:
            return above
        return f"{above}.{self.step}" if above else str(self.step)


class _StrictReader:
    def __init__(self) -> None:
        self.unknown: list[str] = []

    def message(self, message: Message, thing: Mapping[str, Any], path: _Path | None) -> Object:
        made: Object = {}
        for key, value in thing.items():
            one = message.fields.get(key)
            if one is None:
                if key not in _TYPE_META or not has_type_meta(message):
                    self._not_known(key, path)
                elif path is not None:
                    made[key] = value
            elif one.type == "str" and isinstance(value, str):  # most are: no detour for them
                made[key] = value
            elif value is not None:
                below = _Path(path, key, message.real_name, is_field=True)
                made[key] = self._value(one.type, value, below)
        return made

    def _not_known(self, key: str, path: _Path | None) -> None:
        if len(self.unknown) < _MOST:
            where = f"{path.shown()}.{key}" if path else key
            self.unknown.append(f'unknown field "{where}"')

    def _value(self, kind: Type, value: Any, path: _Path) -> Any:  # noqa: ANN401 - JSON
        if isinstance(kind, ListOf):
            if not isinstance(value, list):
                raise _mismatch(kind, value, path)
            if kind.of == "str" and _texts(value):
                return list(value)
            items = (self._value(kind.of, one, _item(path, n)) for n, one in enumerate(value))
            return list(items)
        if isinstance(kind, MapOf):
            if not isinstance(value, Mapping):
                raise _mismatch(kind, value, path)
            if kind.of == "str" and _texts(value.values()):
                return dict(value)
            return {
                key: self._value(kind.of, one, _item(path, key))
                for key, one in value.items()
                if one is not None
            }
        if isinstance(kind, Ref):
            if not isinstance(value, Mapping):
                raise _mismatch(kind, value, path)
            return self.message(messages()[kind.name], value, path)
        return _scalar(kind, value, path)


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(one, str) for one in values)


def _item(path: _Path, step: int | str) -> _Path:
    return _Path(path, step, path.struct, is_field=False)


def _scalar(kind: str, value: Any, path: _Path) -> Any:  # noqa: ANN401, PLR0911 - JSON; one return a type
    match kind:
        case "any":
            return value
        case "int" | "long" if _fits(value, _BITS[kind]):
            return int(value)
        case "bool" if isinstance(value, bool):
            return value
        case "str" if isinstance(value, str):
            return value
        case "bytes" if isinstance(value, str):
            return _bytes(value)
        case "Time" | "MicroTime" if isinstance(value, str):
            return _time(value, micro=kind == "MicroTime")
        case "Quantity":
            return _quantity(value)
        case "IntOrString" if isinstance(value, str) or _fits(value, 31):
            return value
    raise _mismatch(kind, value, path)


def _fits(value: object, bits: int) -> bool:
    """A whole number of so many bits; 1.0 is one, as in Go."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return False
    return -(1 << bits) <= value < 1 << bits


def _bytes(text: str) -> str:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        position = next((n for n, char in enumerate(text) if not _base64(char)), len(text))
        raise WrongType(f"illegal base64 data at input byte {position}") from None
    return text


def _base64(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char in "+/=\r\n")


def _time(text: str, *, micro: bool) -> str:
    layout = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None or "T" not in text:
        raise WrongType(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"')
    read = read.astimezone(UTC)
    return f"{read:%Y-%m-%dT%H:%M:%S.%fZ}" if micro else f"{read:%Y-%m-%dT%H:%M:%SZ}"


def _quantity(value: Any) -> str:  # noqa: ANN401 - JSON
    text = str(value).strip()
    if isinstance(value, bool) or not re.match(_QUANTITY, text):
        raise WrongType(f"quantities must match the regular expression '{_QUANTITY}'")
    return text


def _mismatch(kind: Type, value: Any, path: _Path) -> WrongType:  # noqa: ANN401 - JSON
    where = f"{path.struct}.{path.fields()}"
    seen = _json_word(value)
    if seen == "number" and kind in _INTEGERS:
        seen = f"number {value}"  # one that does not fit is told
    return WrongType(
        f"json: cannot unmarshal {seen} into Go struct field {where} of type {_go_type(kind)}"
    )


def _json_word(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _go_type(kind: Type) -> str:
    if isinstance(kind, ListOf):
        return f"[]{_go_type(kind.of)}"
    if isinstance(kind, MapOf):
        return f"map[string]{_go_type(kind.of)}"
    if isinstance(kind, Ref):
        return messages()[kind.name].go_name
    return _GO.get(kind, "string")  # times read a string first
