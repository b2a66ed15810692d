"""application/vnd.kubernetes.protobuf bodies as the objects that JSON would have given.

`k8s\\0`, then runtime.Unknown (apimachinery's pkg/runtime/generated.proto), in it the message of the kind. kubectl
from 1.32 sends it for all that goes through typed clients (create, certificate approve, auth can-i, drain); its Accept
lists JSON too, so nothing is ever answered in it.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.schema.types import (
    Field,
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    message_of,
    messages,
)
from kubevouch_lab.apiserver.wire_format import BYTES, VARINT, Malformed, fields, signed, varint
from kubevouch_lab.objects import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_EMPTY = memoryview(b"")
# Two bytes make an empty list item, which costs a hundred here.
_MOST_VALUES = 200_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decoded(raw: bytes, default: tuple[str, str] = ("", "")) -> Object:
    """The object in a body; raises a StatusError 400 for all that is not one of a kind in the table of fields.

    default: apiVersion and kind of a body that does not say them (the serializer's copyKindDefaults).
    """
    if raw[: len(_MAGIC)] != _MAGIC:
        expected = " ".join(str(byte) for byte in _MAGIC)
        raise status.bad_request(
            f"provided data does not appear to be a protobuf message, expected prefix [{expected}]"
        )
    try:
        return _unwrapped(memoryview(raw)[len(_MAGIC) :], default)
    except (ValueError, OverflowError, RecursionError, msgspec.DecodeError) as error:
        raise status.bad_request(f"unable to decode a protobuf body: {error}") from None


def _unwrapped(data: memoryview, default: tuple[str, str]) -> Object:
    parts = {number: _bytes(value, wire_type) for number, wire_type, value in fields(data)}
    if encoding := _text(parts.get(3, _EMPTY)):
        raise Malformed(f"content encoding {encoding!r} is not read")
    api_version, kind = _type_meta(parts.get(1, _EMPTY))
    api_version, kind = api_version or default[0], kind or default[1]
    message = message_of(api_version, kind)
    if message is None:
        raise Malformed(f'no kind "{kind}" is registered for version "{api_version}"')
    body = _Reader().message(message, parts.get(2, _EMPTY), {})
    return {"apiVersion": api_version, "kind": kind, **body}


def _type_meta(data: memoryview) -> tuple[str, str]:
    found = {number: _text(_bytes(value, kind)) for number, kind, value in fields(data)}
    return found.get(1, ""), found.get(2, "")


# A number leads to a field, or to the numbers below a message that JSON leaves out.
_Tree = dict[int, Any]


@cache
def _tree(name: str) -> _Tree:
    tree: _Tree = {}
    for one in messages()[name].fields.values():
        here = tree
        for step in one.number[:-1]:
            here = here.setdefault(step, {})
        here[one.number[-1]] = one
    return tree


class _Reader:
    """Reads one body; counts what it makes."""

    def __init__(self) -> None:
        self._made = 0

    def message(self, message: Message, data: memoryview, into: Object) -> Object:
        """Fields that repeat are merged, numbers that are not known are passed over: as Go does both."""
        return self._fields(_tree(message.name), data, into)

    def _fields(self, tree: _Tree, data: memoryview, into: Object) -> Object:
        for number, wire_type, value in fields(data):
            self._made += 1
            if self._made > _MOST_VALUES:
                raise Malformed(f"more than {_MOST_VALUES} values")
            found = tree.get(number)
            if isinstance(found, Field):
                self._field(found, wire_type, value, into)
            elif found is not None:
                self._fields(found, _bytes(value, wire_type), into)
        return into

    def _field(self, one: Field, wire_type: int, value: int | memoryview, into: Object) -> None:
        if isinstance(one.type, ListOf):
            into.setdefault(one.name, []).extend(self._items(one.type.of, wire_type, value))
        elif isinstance(one.type, MapOf):
            key, entry = self._entry(one.type.of, _bytes(value, wire_type))
            into.setdefault(one.name, {})[key] = entry
        else:
            before = into.get(one.name) if isinstance(one.type, Ref) else None
            made = self._value(one.type, wire_type, value, before)
            if made is None or (not made and not _kept_empty(one)):
                into.pop(one.name, None)
            else:
                into[one.name] = made

    def _items(self, kind: Type, wire_type: int, value: int | memoryview) -> list[Any]:
        if kind in {"int", "long"} and isinstance(value, memoryview):
            return _packed(value)
        return [self._value(kind, wire_type, value, None)]

    def _entry(self, kind: Type, data: memoryview) -> tuple[str, Any]:
        key, made = "", self._empty(kind)
        for number, wire_type, value in fields(data):
            if number == 1:
                key = _text(_bytes(value, wire_type))
            elif number == 2 and isinstance(kind, ListOf):
                made = self._wrapped_list(kind, _bytes(value, wire_type))
            elif number == 2:
                made = self._value(kind, wire_type, value, None)
        return key, made

    def _empty(self, kind: Type) -> Any:  # noqa: ANN401 - JSON
        return [] if isinstance(kind, ListOf) else {} if isinstance(kind, Ref) else ""

    def _wrapped_list(self, kind: ListOf, data: memoryview) -> list[Any]:
        """A list as a mapping's value is a message of one field (ExtraValue)."""
        return [
            item
            for number, wire_type, value in fields(data)
            if number == 1
            for item in self._items(kind.of, wire_type, value)
        ]

    def _value(
        self, kind: Type, wire_type: int, value: int | memoryview, before: Object | None
    ) -> Any:  # noqa: ANN401 - JSON
        if isinstance(kind, Ref):
            found = messages()[kind.name]
            return self.message(found, _bytes(value, wire_type), {} if before is None else before)
        if kind in {"int", "long", "bool"}:
            number = _number(value, wire_type)
            return bool(number) if kind == "bool" else number
        return _SCALARS[str(kind)](_bytes(value, wire_type))


def _kept_empty(one: Field) -> bool:
    """Whether an empty value is one: of a pointer, of a field that is always there, of a struct."""
    return one.pointer or one.required or isinstance(one.type, Ref)


def _bytes(value: int | memoryview, wire_type: int) -> memoryview:
    if wire_type != BYTES or isinstance(value, int):
        raise Malformed(f"wrong wireType = {wire_type}")
    return value


def _number(value: int | memoryview, wire_type: int) -> int:
    if wire_type != VARINT or not isinstance(value, int):
        raise Malformed(f"wrong wireType = {wire_type}")
    return signed(value)


def _packed(data: memoryview) -> list[int]:
    at, made = 0, []
    while at < len(data):
        value, at = varint(data, at)
        made.append(signed(value))
    return made


def _text(data: memoryview) -> str:
    return bytes(data).decode()


def _base64(data: memoryview) -> str:
    return base64.b64encode(data).decode()


def _numbers(data: memoryview) -> Mapping[int, int]:
    return {n: signed(value) for n, _, value in fields(data) if isinstance(value, int)}


def _moment(data: memoryview) -> datetime | None:
    """metav1.Timestamp; Go's zero time is an empty message."""
    if not data:
        return None
    found = _numbers(data)
    micros = found.get(2, 0) // 1000
    if not 0 <= micros < 1_000_000:
        raise Malformed("nanoseconds out of range")
    return _EPOCH + timedelta(seconds=found.get(1, 0), microseconds=micros)


def _time(data: memoryview) -> str | None:
    moment = _moment(data)
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _micro_time(data: memoryview) -> str | None:
    moment = _moment(data)
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def _quantity(data: memoryview) -> str:
    texts = [_text(_bytes(value, kind)) for number, kind, value in fields(data) if number == 1]
    return texts[-1] if texts else "0"


def _int_or_string(data: memoryview) -> int | str:
    number, text, is_text = 0, "", False
    for key, wire_type, value in fields(data):
        if key == 1:
            is_text = _number(value, wire_type) == 1
        elif key == 2:
            number = _number(value, wire_type)
        elif key == 3:
            text = _text(_bytes(value, wire_type))
    return text if is_text else number


def _json(data: memoryview) -> Any:  # noqa: ANN401 - JSON
    """runtime.RawExtension and metav1.FieldsV1: JSON in field 1."""
    for number, wire_type, value in fields(data):
        if number == 1 and (content := _bytes(value, wire_type)):
            return msgspec.json.decode(content)
    return None


_SCALARS = {
    "str": _text,
    "bytes": _base64,
    "Time": _time,
    "MicroTime": _micro_time,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "any": _json,
}
