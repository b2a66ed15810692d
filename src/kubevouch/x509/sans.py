"""Subject alternative names: what a certificate, or a request, says it is for.

Sources: parseSANExtension in Go's crypto/x509/parser.go; RFC 5280, 4.2.1.6.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from kubevouch.x509 import der
from kubevouch.x509.domains import domain_is_valid
from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import Address, quote
from kubevouch.x509.uris import host_of

SUBJECT_ALT_NAME = "2.5.29.17"

_EMAIL, _DNS, _URI, _IP = (der.context(number) for number in (1, 2, 6, 7))
_OTHERS = {
    der.explicit(0): "otherName",
    der.explicit(3): "x400Address",
    der.explicit(4): "directoryName",
    der.explicit(5): "ediPartyName",
    der.context(8): "registeredID",
}


@dataclass(frozen=True, slots=True)
class SubjectAltNames:
    """The names of one SAN extension, each kind in its own order.

    An address that came as 16 bytes stays an IPv6Address, mapped IPv4 (::ffff:a.b.c.d) too: to Go it equals the
    IPv4 address, to Python it does not. `gotext.unmapped` takes the coat off.
    """

    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[Address, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """The kinds of the names that Go passes over: "otherName", "directoryName", ..."""

    @property
    def empty(self) -> bool:
        """No name of a kind that Go reads."""
        return not (self.dns_names or self.ip_addresses or self.emails or self.uris)


def read_alt_names(value: bytes) -> SubjectAltNames:
    """The names in the value of a SAN extension. Raises Malformed with Go's text."""
    names = der.Reader(value).inside(der.SEQUENCE, "x509: invalid subject alternative names")
    dns: list[str] = []
    addresses: list[Address] = []
    emails: list[str] = []
    uris: list[str] = []
    others: list[str] = []
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
            others.append(_OTHERS.get(name.tag, f"tag {name.tag:#04x}"))
    return SubjectAltNames(tuple(dns), tuple(addresses), tuple(emails), tuple(uris), tuple(others))


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
    try:
        host = host_of(text)
    except Malformed as error:
        raise Malformed(f"x509: cannot parse URI {quote(text)}: {error}") from None
    if host and not domain_is_valid(host):
        raise Malformed(f"x509: cannot parse URI {quote(text)}: invalid domain")
    return text
