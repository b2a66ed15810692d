"""Distinguished names: the subject and the issuer of a certificate.

Sources: parseName and parseASN1String in Go's crypto/x509/parser.go, pkix.Name.String in
crypto/x509/pkix.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed

COMMON_NAME = "2.5.4.3"
SERIAL_NUMBER = "2.5.4.5"
ORGANIZATION = "2.5.4.10"

_WORDS = {
    "2.5.4.6": "C",
    "2.5.4.8": "ST",
    "2.5.4.7": "L",
    "2.5.4.9": "STREET",
    "2.5.4.17": "POSTALCODE",
    ORGANIZATION: "O",
    "2.5.4.11": "OU",
    COMMON_NAME: "CN",
    SERIAL_NUMBER: "SERIALNUMBER",
}
"""The attribute types that Go prints by name. Go prints the last of this list first."""

_SINGLE = (COMMON_NAME, SERIAL_NUMBER)
_PRINTABLE = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '()+,-./:=?*&"
)
_ESCAPED = ',+"\\<>;'
_MAYBE_ESCAPED = re.compile(r'[,+"\\<>;# ]')


class Attribute(NamedTuple):
    """An attribute of a name: its type (a dotted OID) and its text."""

    oid: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name: its RDNs in order, each with one or more attributes."""

    rdns: tuple[tuple[Attribute, ...], ...] = ()

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """All attributes in order, without their grouping into RDNs."""
        return tuple(attribute for rdn in self.rdns for attribute in rdn)

    def values(self, oid: str) -> tuple[str, ...]:
        """The texts of all attributes of one type, in order."""
        return tuple([text for rdn in self.rdns for kind, text in rdn if kind == oid])

    @property
    def common_name(self) -> str:
        """The common name, or "". Like Go, returns the last of several."""
        for rdn in reversed(self.rdns):
            for kind, text in reversed(rdn):
                if kind == COMMON_NAME:
                    return text
        return ""

    @property
    def organizations(self) -> tuple[str, ...]:
        """Every O in order. In a client certificate, Kubernetes reads them as groups."""
        return self.values(ORGANIZATION)

    def __str__(self) -> str:
        """The name as Go prints it, such as "CN=system:node:w1,O=system:nodes"."""
        known, there = [], {oid for oid, _ in self.attributes}
        for oid, word in _WORDS.items():
            texts = self.values(oid) if oid in there else ()
            if oid in _SINGLE:
                texts = tuple(text for text in texts[-1:] if text)
            if texts:
                known.append("+".join(f"{word}={_escaped(text)}" for text in texts))
        others = [
            f"{oid}=#{_string(text).hex()}" for oid, text in self.attributes if oid not in _WORDS
        ]
        return ",".join((*reversed(known), *reversed(others)))


def _escaped(text: str) -> str:
    if not _MAYBE_ESCAPED.search(text):
        return text
    last = len(text.encode()) - 1
    pieces, at = [], 0
    for char in text:
        blank = char == " " and at in {0, last}
        if char in _ESCAPED or blank or (char == "#" and at == 0):
            pieces.append("\\")
        pieces.append(char)
        at += len(char.encode())
    return "".join(pieces)


def _string(text: str, *, in_utf8: bool = False) -> bytes:
    """Encodes a text as Go does: a PrintableString if possible, else a UTF8String.

    in_utf8: use a UTF8String in any case.
    """
    body = text.encode()
    plain = (
        not in_utf8 and _PRINTABLE.issuperset(body) and not {ord("*"), ord("&")}.intersection(body)
    )
    return der.encode(der.PRINTABLE_STRING if plain else der.UTF8_STRING, body)


def encode_name(*attributes: tuple[str, str], in_utf8: bool = False) -> bytes:
    """Encodes a name as Go does, with one attribute in each RDN.

    in_utf8: use a UTF8String for every text, also where Go uses a PrintableString.
    """
    return der.encode(
        der.SEQUENCE,
        *(
            der.encode(
                der.SET,
                der.encode(der.SEQUENCE, der.encode_oid(oid), _string(text, in_utf8=in_utf8)),
            )
            for oid, text in attributes
        ),
    )


@lru_cache(maxsize=16)
def read_name(raw: bytes) -> Name:
    """Parses a name (a whole RDNSequence element). Raises Malformed with Go's error text.

    Caches the last few names, since one certificate's issuer is the next one's subject.
    """
    problem = "x509: invalid RDNSequence"
    sequence = der.Reader(raw).inside(der.SEQUENCE, problem)
    rdns = []
    while not sequence.empty:
        members, rdn = sequence.inside(der.SET, problem), []
        while not members.empty:
            pair = members.inside(der.SEQUENCE, f"{problem}: invalid attribute")
            oid = pair.oid(f"{problem}: invalid attribute type")
            value = pair.any(f"{problem}: invalid attribute value")
            try:
                rdn.append(Attribute(oid, read_string(value)))
            except Malformed as error:
                raise Malformed(f"{problem}: invalid attribute value: {error}") from None
        rdns.append(tuple(rdn))
    return Name(tuple(rdns))


def read_string(element: der.Element) -> str:
    """The text of a string element.

    Raises Malformed with Go's error text, also for string types that Go does not know.
    """
    body = element.body
    match element.tag:
        case der.PRINTABLE_STRING if _PRINTABLE.issuperset(body):
            return body.decode("ascii")
        case der.PRINTABLE_STRING:
            raise Malformed("invalid PrintableString")
        case der.UTF8_STRING:
            return _decoded(body, "utf-8", "invalid UTF-8 string")
        case der.IA5_STRING:
            return _decoded(body, "ascii", "invalid IA5String")
        case der.T61_STRING:
            return body.decode("latin-1")
        case der.BMP_STRING:
            return _two_byte_text(body)
        case der.NUMERIC_STRING if frozenset(b"0123456789 ").issuperset(body):
            return body.decode("ascii")
        case der.NUMERIC_STRING:
            raise Malformed("invalid NumericString")
    raise Malformed(f"unsupported string type: {element.tag}")


def _decoded(body: bytes, encoding: str, problem: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        raise Malformed(problem) from None


def _two_byte_text(body: bytes) -> str:
    """The text of a BMPString: UTF-16 without surrogates and without noncharacters."""
    if len(body) % 2:
        raise Malformed("invalid BMPString")
    text = _decoded(body.removesuffix(b"\x00\x00"), "utf-16-be", "invalid BMPString")
    if any(
        char > "\uffff" or char in "\ufffe\uffff" or "\ufdd0" <= char <= "\ufdef" for char in text
    ):
        raise Malformed("invalid BMPString")
    return text
