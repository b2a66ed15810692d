"""Subject alternative names (SAN): the names and addresses in a certificate or a CSR.

Sources: parseSANExtension in Go's crypto/x509/parser.go; RFC 5280, 4.2.1.6.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import Address, quote

SUBJECT_ALT_NAME = "2.5.29.17"

_EMAIL, _DNS, _URI, _IP = (der.context(number) for number in (1, 2, 6, 7))
_OTHERS = {
    der.explicit(0): "otherName",
    der.explicit(3): "x400Address",
    der.explicit(4): "directoryName",
    der.explicit(5): "ediPartyName",
    der.context(8): "registeredID",
}
_LABEL = r"[A-Za-z0-9_-]+"
_URI_FORM = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]*)?)?(?![^/?#])|(?!//))"
    r"[A-Za-z0-9._~!$&'()*+,;=:@/?#-]*"
)
"""Matches plain URIs such as `spiffe://cluster.local/ns/x` and `https://w1.example.com:8443/`. Go
also accepts more unusual ones."""


@dataclass(frozen=True, slots=True)
class SubjectAltNames:
    """The entries of one SAN extension, by kind, each kind in the extension's order.

    A 16-byte address is an IPv6Address, even an IPv4-mapped one (::ffff:a.b.c.d). Go considers such
    an address equal to the IPv4 address; Python does not. `gotext.unmapped` returns the IPv4
    address.
    """

    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[Address, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    """The kinds of the entries that Go skips, such as "otherName" or "directoryName"."""

    @property
    def empty(self) -> bool:
        """Whether the SAN has no entry of a kind that Go reads."""
        return not (self.dns_names or self.ip_addresses or self.emails or self.uris)

    @property
    def count(self) -> int:
        """The number of entries of all kinds."""
        return sum(len(getattr(self, kind)) for kind in self.__slots__)


def read_alt_names(value: bytes) -> SubjectAltNames:
    """Parses the value of a SAN extension. Raises Malformed with Go's error text."""
    names = der.Reader(value).inside(der.SEQUENCE, "x509: invalid subject alternative names")
    dns: list[str] = []
    addresses: list[Address] = []
    emails: list[str] = []
    uris: list[str] = []
    other_names: list[str] = []
    while not names.empty:
        name = names.any("x509: invalid subject alternative name")
        if name.tag == _DNS:
            dns.append(_ascii(name.body, "dNSName"))
        elif name.tag == _IP:
            addresses.append(_address(name.body))
        elif name.tag == _EMAIL:
            emails.append(_ascii(name.body, "rfc822Name"))
        elif name.tag == _URI:
            uris.append(_uri(name.body))
        else:
            other_names.append(_OTHERS.get(name.tag, f"tag {name.tag:#04x}"))
    return SubjectAltNames(
        tuple(dns), tuple(addresses), tuple(emails), tuple(uris), tuple(other_names)
    )


def _ascii(body: bytes, kind: str) -> str:
    if not body.isascii():
        raise Malformed(f"x509: SAN {kind} is malformed")
    return body.decode("ascii")


def _address(body: bytes) -> Address:
    if len(body) == 4:
        return IPv4Address(body)
    if len(body) == 16:
        return IPv6Address(body)
    raise Malformed(f"x509: cannot parse IP address of length {len(body)}")


def _uri(body: bytes) -> str:
    text = _ascii(body, "uniformResourceIdentifier")
    if not _URI_FORM.fullmatch(text):
        raise Malformed(f"x509: cannot parse URI {quote(text)}: unsupported form")
    return text


def encode_alt_names(
    names: Iterable[str], addresses: Iterable[Address], *, addresses_first: bool = False
) -> bytes:
    """Encodes the value of a SAN extension. By default, names come before addresses, as in Go."""
    found = [der.encode(_DNS, name.encode("ascii")) for name in names]
    places = [der.encode(_IP, address.packed) for address in addresses]
    return der.encode(der.SEQUENCE, *(places + found if addresses_first else found + places))


class Encoded:
    """A parsed certificate or CSR. Two of the same class are equal if their DER is equal."""

    __slots__ = ()

    der: bytes
    alt_names: SubjectAltNames

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Encoded) or type(self) is not type(other):
            return NotImplemented
        return self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The DNS names in the SAN, in order and as written (case is kept)."""
        return self.alt_names.dns_names

    @property
    def ip_addresses(self) -> tuple[Address, ...]:
        """The IP addresses in the SAN, in order."""
        return self.alt_names.ip_addresses
