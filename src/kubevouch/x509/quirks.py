"""Quirks: everything in a CSR that is not exactly as a kubelet sends it.

The signer signs what Go reads in a CSR; another reader may see something else in the same bytes. So an approver must
only approve a CSR that can be read in one way. A quirk is a reason why it can be read in two ways, or why no kubelet
sends it. This module only names quirks; policy decides about them.

DER is canonical if each value has one encoding only. The strict reader refuses what Go refuses; Go itself is lax in
places (the order of a SET, parameters that it does not use). The walk here finds such places without knowing what the
bytes mean. Source: ITU-T X.690, clauses 8, 10 and 11.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import printable

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


LONGEST_MESSAGE = 200
MOST_QUIRKS = 32
"""Quirks kept of one CSR. One is enough to refuse it; a hostile CSR could have thousands."""


class QuirkCode(StrEnum):
    """The kinds of quirk."""

    PEM_NOT_CANONICAL = "pem-not-canonical"
    """The bytes are not what Go writes for this block: text, blanks, headers, a second block, other line ends."""
    DER_NOT_CANONICAL = "der-not-canonical"
    """The DER is not canonical somewhere: the value has another encoding."""
    EXTRA_ELEMENTS = "extra-elements"
    """Elements after those in RFC 2986, which Go skips."""
    VERSION = "version"
    """A version other than 0."""
    NAME_SHAPE = "name-shape"
    """The subject is not exactly one O and one CN, each in a relative name of its own."""
    NAME_TEXT = "name-text"
    """The subject holds text in an unusual string type, or anything but printable ASCII."""
    KEY = "key"
    """A key that kubelets do not make: too short, an odd exponent, DSA, an unknown kind."""
    SIGNATURE_ALGORITHM = "signature-algorithm"
    """SHA-1, MD5, PSS, or parameters that do not belong there."""
    SIGNATURE = "signature"
    """The CSR is not signed by its own key."""
    ATTRIBUTE_COUNT = "attribute-count"
    """More than one attribute: Microsoft's and PKCS#9's extension requests may ask for different names."""
    ATTRIBUTE_KIND = "attribute-kind"
    """An attribute other than PKCS#9's extension request."""
    ATTRIBUTE_VALUES = "attribute-values"
    """Not exactly one value in the extension request; Go reads the first."""
    EXTENSION = "extension"
    """An extension other than the subject alternative names, or one that is critical."""
    SAN_EMPTY = "san-empty"
    """A SAN extension without a name."""
    SAN_KIND = "san-kind"
    """SANs that are neither DNS names nor IP addresses."""
    SAN_MAPPED_ADDRESS = "san-mapped-address"
    """An IPv4 address in 16 bytes: the certificate gets the IPv4 address, but Python calls the two unequal."""
    SAN_DUPLICATE = "san-duplicate"
    """The same name twice."""
    SAN_TEXT = "san-text"
    """A DNS name that is not a host name: a wildcard, an address, an empty label, a NUL."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """A quirk: its kind, and what was seen as one printable line."""

    code: QuirkCode
    message: str

    def __str__(self) -> str:
        return self.message


def quirk(code: QuirkCode, seen: str) -> Quirk:
    """A quirk whose message quotes the CSR, with control characters escaped and long texts shortened."""
    cut = seen if len(seen) <= LONGEST_MESSAGE else f"{seen[:LONGEST_MESSAGE]}..."
    return Quirk(code, printable(cut))
