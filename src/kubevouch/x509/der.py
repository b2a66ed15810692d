"""Reads DER as strictly as Go's cryptobyte does, and writes it.

Signers, kubelets and metrics-server use what Go reads in a certificate, and `cryptography`
sometimes reads something else (see docs/internals/x509.md). So we parse the bytes ourselves: only
one-byte identifiers, and definite lengths in their shortest form.

This module knows nothing about certificates. Source: golang.org/x/crypto/cryptobyte/asn1.go and
ITU-T X.690.
"""

from functools import lru_cache
from typing import NamedTuple

from kubevouch.x509.errors import Malformed

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
NUMERIC_STRING = 0x12
PRINTABLE_STRING = 0x13
T61_STRING = 0x14
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
BMP_STRING = 0x1E
STRINGS = frozenset(
    (UTF8_STRING, NUMERIC_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING, BMP_STRING)
)
SEQUENCE = 0x30
SET = 0x31


def context(number: int) -> int:
    """The identifier of a primitive element with the context-specific tag [number]."""
    return 0x80 | number


def explicit(number: int) -> int:
    """The identifier of a constructed element with the context-specific tag [number]."""
    return 0xA0 | number


class Element(NamedTuple):
    """A DER element: its identifier, its contents, and all its bytes."""

    tag: int
    body: bytes
    raw: bytes


class Reader:
    """Reads DER elements in order. On unexpected bytes, a method raises Malformed(problem)."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def empty(self) -> bool:
        """Whether everything has been read."""
        return self._at >= len(self._data)

    @property
    def rest(self) -> bytes:
        """The unread bytes."""
        return self._data[self._at :]

    def peek(self, tag: int) -> bool:
        """Whether the next element has this identifier."""
        return self._at < len(self._data) and self._data[self._at] == tag

    def any(self, problem: str) -> Element:
        """Reads an element with any identifier."""
        data, start = self._data, self._at
        if len(data) - start < 2 or data[start] & 0x1F == 0x1F:
            raise Malformed(problem)
        length, body = data[start + 1], start + 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or len(data) < body + octets:
                raise Malformed(problem)
            length = int.from_bytes(data[body : body + octets], "big")
            if length < 0x80 or length >> (8 * (octets - 1)) == 0:
                raise Malformed(problem)
            body += octets
        end = body + length
        if end > len(data):
            raise Malformed(problem)
        self._at = end
        return Element(data[start], data[body:end], data[start:end])

    def element(self, tag: int, problem: str) -> Element:
        """Reads an element that must have this identifier."""
        element = self.any(problem)
        if element.tag != tag:
            raise Malformed(problem)
        return element

    def body(self, tag: int, problem: str) -> bytes:
        """Reads an element that must have this identifier, and returns its contents."""
        return self.element(tag, problem).body

    def inside(self, tag: int, problem: str) -> "Reader":
        """Reads an element that must have this identifier, and returns a reader of its contents."""
        return Reader(self.element(tag, problem).body)

    def optional(self, tag: int, problem: str) -> "Reader | None":
        """Reads an element if it has this identifier, and returns a reader of its contents; else None."""
        return self.inside(tag, problem) if self.peek(tag) else None

    def integer(self, problem: str, *, tag: int = INTEGER, bits: int = 0) -> int:
        """Reads a signed INTEGER in its shortest form, of at most `bits` bits if given."""
        body = self.body(tag, problem)
        if not body or (len(body) > 1 and _padded(body)):
            raise Malformed(problem)
        value = int.from_bytes(body, "big", signed=True)
        if bits and not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise Malformed(problem)
        return value

    def boolean(self, problem: str) -> bool:
        """Reads a BOOLEAN. Only 00 and FF are valid."""
        body = self.body(BOOLEAN, problem)
        if body not in {b"\x00", b"\xff"}:
            raise Malformed(problem)
        return body == b"\xff"

    def oid(self, problem: str) -> str:
        """Reads an OBJECT IDENTIFIER, in dotted form. As in Go, an arc has at most 31 bits."""
        text = dotted(self.body(OBJECT_IDENTIFIER, problem))
        if text is None:
            raise Malformed(problem)
        return text

    def bits(self, problem: str) -> tuple[bytes, int]:
        """Reads a BIT STRING: its octets, and the number of padding bits (zeros) at the end."""
        body = self.body(BIT_STRING, problem)
        if not body:
            raise Malformed(problem)
        padding, octets = body[0], body[1:]
        if padding > 7 or (padding and (not octets or octets[-1] & ((1 << padding) - 1))):
            raise Malformed(problem)
        return octets, padding


def _padded(body: bytes) -> bool:
    """Whether the first octet of an integer is redundant."""
    return (body[0] == 0 and body[1] < 0x80) or (body[0] == 0xFF and body[1] >= 0x80)


def right_aligned(octets: bytes, padding: int) -> bytes:
    """The octets of a bit string, shifted right by its padding. Go reads keys and signatures this way."""
    if not padding or not octets:
        return octets
    return (int.from_bytes(octets, "big") >> padding).to_bytes(len(octets), "big")


@lru_cache(maxsize=1024)
def dotted(body: bytes) -> str | None:
    """The dotted form of an object identifier's contents; None if Go would reject them."""
    arcs: list[int] = []
    value = octets = 0
    for octet in body:
        if octets == 5 or value >= 1 << 24 or (octets == 0 and octet == 0x80):
            return None
        value, octets = value << 7 | octet & 0x7F, octets + 1
        if octet < 0x80:
            if not arcs:
                arcs += [value // 40, value % 40] if value < 80 else [2, value - 80]
            else:
                arcs.append(value)
            value = octets = 0
    if octets or not arcs:
        return None
    return ".".join(map(str, arcs))


def encode(tag: int, *contents: bytes) -> bytes:
    """Encodes an element: identifier, length in its shortest form, contents."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def encode_integer(value: int) -> bytes:
    """Encodes an INTEGER in its shortest form."""
    return encode(
        INTEGER,
        value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True),
    )


def encode_oid(text: str) -> bytes:
    """Encodes an OBJECT IDENTIFIER from its dotted form."""
    first, second, *others = map(int, text.split("."))
    return encode(OBJECT_IDENTIFIER, *map(_base128, (first * 40 + second, *others)))


def _base128(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))
