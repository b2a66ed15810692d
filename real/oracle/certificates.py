"""Certificates and signing requests for the cases, built by hand so that anything can be wrong with them."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from real.oracle.asn1 import (
    TRUE,
    bits,
    explicit,
    ia5,
    implicit,
    integer,
    name,
    named_bits,
    octets,
    oid,
    seq,
    time,
    tlv,
)
from real.oracle.keys import Key

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_USAGE = "2.5.29.37.0"
SAN = "2.5.29.17"


def extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    return seq(oid(kind), TRUE if critical else b"", octets(value))


def dns_name(text: str) -> bytes:
    return implicit(2, text.encode())


def ip_name(text: str) -> bytes:
    return implicit(7, ipaddress.ip_address(text).packed)


def san_value(
    dns: Iterable[str] = (), ips: Iterable[str] = (), others: Iterable[bytes] = ()
) -> bytes:
    return seq(*map(dns_name, dns), *map(ip_name, ips), *others)


def usages(*kinds: str) -> bytes:
    return extension("2.5.29.37", seq(*map(oid, kinds)))


def basic(*, ca: bool, path: int | None = None, critical: bool = True) -> bytes:
    body = (TRUE if ca else b"", b"" if path is None else integer(path))
    return extension("2.5.29.19", seq(*body), critical=critical)


def key_usage(*numbers: int) -> bytes:
    return extension("2.5.29.15", named_bits(*numbers), critical=True)


def subject_key_id(body: bytes) -> bytes:
    return extension("2.5.29.14", octets(body))


def authority_key_id(body: bytes) -> bytes:
    return extension("2.5.29.35", seq(implicit(0, body)))


def key_id(key: Key) -> bytes:
    return sha256(key.spki).digest()[:20]


def constraints(
    permitted: Iterable[bytes] = (), excluded: Iterable[bytes] = (), *, critical: bool = True
) -> bytes:
    sides = [
        explicit(number, *(seq(base) for base in side))
        for number, side in enumerate((list(permitted), list(excluded)))
        if side
    ]
    return extension("2.5.29.30", seq(*sides), critical=critical)


def network_name(text: str) -> bytes:
    network = ipaddress.ip_network(text)
    return implicit(7, network.network_address.packed + network.netmask.packed)


def policies(*kinds: str) -> bytes:
    return extension("2.5.29.32", seq(*(seq(oid(kind)) for kind in kinds)))


@dataclass
class Certificate:
    """What a certificate is made of; `der` puts it together."""

    subject: bytes
    issuer: bytes
    key: Key
    signer: Key
    extensions: list[bytes] = field(default_factory=list)
    serial: int = 1
    not_before: bytes = time(NOW - YEAR / 2)
    not_after: bytes = time(NOW + YEAR / 2)
    version: int = 3
    scheme: str = "SHA256"
    algorithm: bytes = b""
    """An AlgorithmIdentifier other than the signer's."""

    def der(self) -> bytes:
        shown = explicit(0, integer(self.version - 1)) if self.version > 1 else b""
        claimed = self.algorithm or self.signer.algorithm(self.scheme)
        tbs = seq(
            shown,
            integer(self.serial),
            claimed,
            self.issuer,
            seq(self.not_before, self.not_after),
            self.subject,
            self.key.spki,
            explicit(3, seq(*self.extensions)) if self.extensions else b"",
        )
        return seq(tbs, claimed, bits(self.signer.sign(tbs, self.scheme)))


@dataclass
class Authority:
    """A CA of the cases: its name in the corpus, its subject and its key."""

    id: str
    subject: bytes
    key: Key


def leaf(
    issuer: Authority,
    key: Key,
    *,
    dns: Iterable[str] = ("w1.example.com",),
    ips: Iterable[str] = ("10.0.0.5",),
    subject: bytes = name(("O", "system:nodes"), ("CN", "system:node:w1")),
    usage: tuple[str, ...] | None = (SERVER_AUTH,),
    san: bytes | None = None,
    others: Iterable[bytes] = (),
) -> Certificate:
    """A serving certificate as the kubelet-serving signer issues it, unless told otherwise."""
    dns, ips = tuple(dns), tuple(ips)
    extensions = [key_usage(0), *([usages(*usage)] if usage is not None else []), basic(ca=False)]
    extensions.append(authority_key_id(key_id(issuer.key)))
    if san is not None:
        extensions.append(extension(SAN, san))
    elif dns or ips:
        extensions.append(extension(SAN, san_value(dns, ips)))
    return Certificate(subject, issuer.subject, key, issuer.key, [*extensions, *others])


def authority(
    subject: bytes,
    key: Key,
    *,
    issuer: Authority | None = None,
    path: int | None = None,
    others: Iterable[bytes] = (),
) -> Certificate:
    """A CA as kubeadm makes it, or one below another."""
    extensions = [key_usage(0, 2, 5), basic(ca=True, path=path), subject_key_id(key_id(key))]
    if issuer is not None:
        extensions.append(authority_key_id(key_id(issuer.key)))
    return Certificate(
        subject,
        issuer.subject if issuer else subject,
        key,
        issuer.key if issuer else key,
        [*extensions, *others],
        not_before=time(NOW - YEAR),
        not_after=time(NOW + 9 * YEAR),
    )


@dataclass
class Request:
    """What a signing request is made of."""

    key: Key
    subject: bytes = name(("O", "system:nodes"), ("CN", "system:node:w1"))
    attributes: list[bytes] = field(default_factory=list)
    version: int = 0
    scheme: str = "SHA256"
    algorithm: bytes = b""
    info_tail: bytes = b""
    tail: bytes = b""
    spki: bytes = b""
    bare_attributes: bytes | None = None

    def der(self) -> bytes:
        return self.signed(self.info())

    def info(self) -> bytes:
        """The CertificationRequestInfo, which is what the signature is over."""
        return seq(
            integer(self.version),
            self.subject,
            self.spki or self.key.spki,
            explicit(0, *self.attributes) if self.bare_attributes is None else self.bare_attributes,
            self.info_tail,
        )

    def signed(self, info: bytes) -> bytes:
        """The request with this in place of its own info, and the signature over it."""
        algorithm = self.algorithm or self.key.algorithm(self.scheme)
        return seq(info, algorithm, bits(self.key.sign(info, self.scheme)), self.tail)


EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT_EXTENSIONS = "1.3.6.1.4.1.311.2.1.14"


def attribute(kind: str, *values: bytes) -> bytes:
    return seq(oid(kind), tlv(0x31, *values))


def asks_for(*extensions: bytes, kind: str = EXTENSION_REQUEST) -> bytes:
    """An extension request for these extensions."""
    return attribute(kind, seq(*extensions))


def challenge(text: str) -> bytes:
    return attribute("1.2.840.113549.1.9.7", ia5(text))
