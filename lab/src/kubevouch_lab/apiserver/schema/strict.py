"""Bodies against the table of types: a wrong type is refused, an unknown field is named and left out.

As an API server decodes into Go types: sigs.k8s.io/json for the paths and order of unknown fields, apimachinery's
pkg/api/resource and pkg/apis/meta/v1/time.go for quantities and times.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from kubevouch_lab.apiserver.schema.types import (
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    has_type_meta,
    message_of,
    messages,
)
from kubevouch_lab.objects import Object, read_moment

JSON = Any
_QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_TYPE_META = ("apiVersion", "kind")
_MOST = 100  # sigs.k8s.io/json stops there


class WrongType(ValueError):
    """A value that does not fit its field."""


@dataclass(frozen=True)
class Checked:
    """A body without what is not known. unknown: `unknown field "spec.colour"` for each, in the body's order."""

    body: Object
    unknown: tuple[str, ...] = ()


def checked(api_version: str, kind: str, thing: Object) -> Checked:
    """A body of that kind, checked; raises WrongType. A kind that is not in the table is let through as it is."""
    message = message_of(api_version, kind)
    if message is None:
        return Checked(thing)
    reader = _StrictReader()
    body = reader.message(message, thing, "")
    named: Object = {key: value for key, value in thing.items() if key in _TYPE_META}
    return Checked({**named, **body}, tuple(reader.unknown))


class _StrictReader:
    def __init__(self) -> None:
        self.unknown: list[str] = []

    def message(self, message: Message, thing: Mapping[str, JSON], path: str) -> Object:
        made: Object = {}
        for key, value in thing.items():
            one = message.fields.get(key)
            if one is not None:
                if value is not None:
                    made[key] = self._value(one.type, value, f"{path}.{key}")
            elif key in _TYPE_META and has_type_meta(message.name):
                if path:
                    made[key] = value
            elif len(self.unknown) < _MOST:
                self.unknown.append(f'unknown field "{f"{path}.{key}".lstrip(".")}"')
        return made

    def _value(self, kind: Type, value: JSON, path: str) -> JSON:
        match kind:
            case ListOf() if isinstance(value, list):
                return [self._value(kind.of, one, f"{path}[{n}]") for n, one in enumerate(value)]
            case MapOf() if isinstance(value, Mapping):
                return {
                    key: self._value(kind.of, one, f"{path}.{key}")
                    for key, one in value.items()
                    if one is not None
                }
            case Ref() if isinstance(value, Mapping):
                return self.message(messages()[kind.name], value, path)
            case str():
                return _scalar(kind, value, path)
        raise _mismatch(kind, value, path)


def _scalar(kind: str, value: JSON, path: str) -> JSON:
    fits, read = _SCALARS[kind]
    if not fits(value):
        raise _mismatch(kind, value, path)
    return read(value)


def _same(value: JSON) -> JSON:
    return value


def _is_text(value: JSON) -> bool:
    return isinstance(value, str)


def _within(bits: int) -> Callable[[JSON], bool]:
    """Whether it is a whole number of so many bits; 1.0 is one, as in Go."""

    def fits(value: JSON) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            return False
        return -(1 << bits) <= value < 1 << bits

    return fits


def _bytes(text: str) -> str:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise WrongType("illegal base64 data") from None
    return text


def _time(form: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        moment = read_moment(text) if "T" in text else None
        if moment is None:
            raise WrongType(f'parsing time "{text}": an RFC 3339 time was expected')
        return moment.astimezone(UTC).strftime(form)

    return read


def _quantity(value: JSON) -> str:
    text = str(value).strip()
    if isinstance(value, bool) or not re.match(_QUANTITY, text):
        raise WrongType(f"quantities must match the regular expression '{_QUANTITY}'")
    return text


# Of each type: whether a value fits, and how it is kept
_SCALARS: Mapping[str, tuple[Callable[[JSON], bool], Callable[[JSON], JSON]]] = {
    "any": (lambda _: True, _same),
    "str": (_is_text, _same),
    "bool": (lambda value: isinstance(value, bool), _same),
    "int": (_within(31), int),
    "long": (_within(63), int),
    "bytes": (_is_text, _bytes),
    "Time": (_is_text, _time("%Y-%m-%dT%H:%M:%SZ")),
    "MicroTime": (_is_text, _time("%Y-%m-%dT%H:%M:%S.%fZ")),
    "Quantity": (lambda _: True, _quantity),
    "IntOrString": (lambda value: _is_text(value) or _within(31)(value), _same),
}


def _mismatch(kind: Type, value: JSON, path: str) -> WrongType:
    seen = "bool" if isinstance(value, bool) else _WORDS.get(type(value), "object")
    wanted = kind if isinstance(kind, str) else "array" if isinstance(kind, ListOf) else "object"
    return WrongType(
        f"json: cannot unmarshal {seen} into field {path.lstrip('.')} of type {wanted}"
    )


_WORDS: Mapping[type, str] = {int: "number", float: "number", str: "string", list: "array"}
