"""Whether bytes are canonical DER at every level, so that each value has one encoding only.

The strict reader refuses what Go refuses. Go itself is lax in places: it does not check the order of a SET, or
parameters that it does not use. Wherever two readers can see different values in the same bytes, something can be
hidden. This walk finds such places without knowing what the bytes mean.

Source: ITU-T X.690, clauses 8, 10 and 11.
"""

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed

DEPTH = 32
"""Levels. Far more than any CSR has (a SAN in an attribute lies nine levels deep)."""

_CONSTRUCTED = 0x20
_CONTEXT = 0x80


def deviation(data: bytes) -> str:
    """Why the bytes are not one canonical DER element; empty if they are."""
    try:
        reader = der.Reader(data)
        _walk(_next(reader), DEPTH)
    except Malformed as error:
        return str(error)
    return "" if reader.empty else f"{len(reader.rest)} bytes follow the end"


def _next(reader: der.Reader) -> der.Element:
    element = reader.any("a length is not in its shortest form, or runs past the end")
    if element.raw != der.encode(element.tag, element.body):
        raise Malformed("an element does not re-encode to its own bytes")
    return element


def _walk(element: der.Element, depth: int) -> None:
    if depth == 0:
        raise Malformed(f"nested deeper than {DEPTH}")
    if element.tag & _CONSTRUCTED:
        _constructed(element, depth)
    elif element.tag < _CONSTRUCTED:
        _primitive(element)


def _constructed(element: der.Element, depth: int) -> None:
    if element.tag < _CONTEXT and element.tag not in {der.SEQUENCE, der.SET}:
        raise Malformed("a string is put together from pieces")
    members: list[bytes] = []
    inner = der.Reader(element.body)
    while not inner.empty:
        member = _next(inner)
        _walk(member, depth - 1)
        members.append(member.raw)
    if element.tag == der.SET and members != sorted(members):
        raise Malformed("the members of a SET are not in order")


def _primitive(element: der.Element) -> None:
    reader = der.Reader(element.raw)
    match element.tag:
        case der.BOOLEAN:
            reader.boolean("a BOOLEAN is neither 00 nor FF")
        case der.INTEGER:
            reader.integer("an INTEGER is not in its shortest form")
        case der.BIT_STRING:
            reader.bits("the padding of a BIT STRING is not zero")
        case der.OBJECT_IDENTIFIER:
            reader.oid("an OBJECT IDENTIFIER is not in its shortest form")
        case 0x10 | 0x11:
            raise Malformed("a SEQUENCE or SET is marked as primitive")
        case der.NULL if element.body:
            raise Malformed("a NULL has contents")
        case _:
            return
