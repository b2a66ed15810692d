"""Protobuf's wire format: bounded and no more than the API types need (protobuf.dev/programming-guides/encoding)."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Malformed(ValueError):
    """The bytes are not a protobuf message."""


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(number, wire type, value) of each field: an unsigned integer for VARINT, else its bytes.

    Raises Malformed where the bytes end too early, for groups and for numbers that there are not.
    """
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise Malformed(f"illegal tag {number} (wire type {wire_type})")
        if wire_type == VARINT:
            value, at = varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            length, at = varint(data, at)
        elif wire_type in _FIXED:
            length = _FIXED[wire_type]
        else:
            raise Malformed(f"illegal wireType {wire_type}")
        if length > len(data) - at:
            raise Malformed("unexpected EOF")
        yield number, wire_type, data[at : at + length]
        at += length


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned integer of 64 bits, and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Malformed("proto: integer overflow")


def signed(value: int) -> int:
    """An int32 or int64 as the 64 bits that carry it."""
    return value - (1 << 64) if value >> 63 else value
