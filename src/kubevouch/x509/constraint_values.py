"""The name constraints in a CA's certificate.

Source: parseNameConstraintsExtension in Go's crypto/x509/parser.go; RFC 5280, 4.2.1.10.
"""

from dataclasses import dataclass

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import parse_address, quote
from kubevouch.x509.uris import domain_is_valid, mailbox

_INVALID = "x509: invalid NameConstraints extension"
_EMAIL, _DNS, _URI, _IP = (der.context(number) for number in (1, 2, 6, 7))


@dataclass(frozen=True, slots=True)
class Subtrees:
    """The permitted or the excluded names. A network is an address and a mask, 4 or 16 bytes each."""

    dns: tuple[str, ...] = ()
    networks: tuple[tuple[bytes, bytes], ...] = ()
    emails: tuple[str, ...] = ()
    uri_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """The names that a CA may sign for, and those that it may not."""

    permitted: Subtrees
    excluded: Subtrees


def read_name_constraints(value: bytes) -> tuple[NameConstraints, bool]:
    """The constraints, and whether Go handles every kind of name in them. Raises Malformed."""
    outer = der.Reader(value)
    reader = outer.inside(der.SEQUENCE, _INVALID)
    if not outer.empty:
        raise Malformed(_INVALID)
    permitted = reader.optional(der.explicit(0), _INVALID)
    excluded = reader.optional(der.explicit(1), _INVALID)
    if not reader.empty:
        raise Malformed(_INVALID)
    if not any(side is not None and not side.empty for side in (permitted, excluded)):
        raise Malformed("x509: empty name constraints extension")
    permitted_trees, all_permitted = _subtrees(permitted)
    excluded_trees, all_excluded = _subtrees(excluded)
    return NameConstraints(permitted_trees, excluded_trees), all_permitted and all_excluded


def _subtrees(reader: der.Reader | None) -> tuple[Subtrees, bool]:
    dns: list[str] = []
    networks: list[tuple[bytes, bytes]] = []
    emails: list[str] = []
    uris: list[str] = []
    handled = True
    while reader is not None and not reader.empty:
        base = reader.inside(der.SEQUENCE, _INVALID).any(_INVALID)
        if base.tag == _DNS:
            dns.append(_domain(base.body, "dnsName"))
        elif base.tag == _IP:
            networks.append(_network(base.body))
        elif base.tag == _EMAIL:
            emails.append(_email(base.body))
        elif base.tag == _URI:
            uris.append(_uri_domain(base.body))
        else:
            handled = False
    return Subtrees(tuple(dns), tuple(networks), tuple(emails), tuple(uris)), handled


def _text(body: bytes) -> str:
    if not body.isascii():
        text = body.decode("utf-8", "surrogateescape")
        raise Malformed(
            f"x509: invalid constraint value: x509: {quote(text)} cannot be encoded as an IA5String"
        )
    return body.decode("ascii")


def _domain(body: bytes, kind: str) -> str:
    text = _text(body)
    if not domain_is_valid(text, constraint=True):
        raise Malformed(f"x509: failed to parse {kind} constraint {quote(text)}")
    return text


def _email(body: bytes) -> str:
    text = _text(body)
    if "@" not in text:
        return _domain(body, "rfc822Name")
    if mailbox(text) is None:
        raise Malformed(f"x509: failed to parse rfc822Name constraint {quote(text)}")
    return text


def _uri_domain(body: bytes) -> str:
    text = _text(body)
    if parse_address(text) is not None:
        raise Malformed(f"x509: failed to parse URI constraint {quote(text)}: cannot be IP address")
    return _domain(body, "URI")


def _network(body: bytes) -> tuple[bytes, bytes]:
    if len(body) not in {8, 32}:
        raise Malformed(f"x509: IP constraint contained value of length {len(body)}")
    half = len(body) // 2
    address, mask = body[:half], body[half:]
    ones = int.from_bytes(mask, "big") ^ ((1 << (8 * half)) - 1)
    if ones & (ones + 1):
        raise Malformed(f"x509: IP constraint contained invalid mask {mask.hex()}")
    return address, mask
