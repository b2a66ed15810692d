"""Parses a certificate.

We use our own strict parser, not `cryptography`, to read the same names, times and extensions as
Go from the same bytes. With few exceptions, the parser rejects what Go rejects, with Go's error
texts. docs/internals/x509.md lists where we and `cryptography` differ from Go. Source:
parseCertificate in Go's crypto/x509/parser.go.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kubevouch.x509 import der
from kubevouch.x509.constraints import NameConstraints
from kubevouch.x509.errors import Malformed
from kubevouch.x509.extensions import (
    Extension,
    read_extension,
    read_extensions,
)
from kubevouch.x509.keys import PublicKey, read_public_key
from kubevouch.x509.names import Name, read_name
from kubevouch.x509.sans import SUBJECT_ALT_NAME, Encoded, SubjectAltNames
from kubevouch.x509.signatures import SignatureAlgorithm, read_algorithm

_NO_SUCH_DATE = "a time outside the years 1 to 9999"
_UTC = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))")
_GENERALIZED = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:Z|([+-])(\d\d)(\d\d))")


class Asn1Time(NamedTuple):
    """A time in a certificate, and its text as Go prints it (with the certificate's UTC offset)."""

    at: datetime
    text: str


def read_time(reader: der.Reader) -> Asn1Time:
    """Reads a UTCTime or GeneralizedTime. Raises Malformed with the text of Go's error."""
    utc = reader.peek(der.UTC_TIME)
    if not utc and not reader.peek(der.GENERALIZED_TIME):
        raise Malformed("x509: unsupported time format")
    problem = f"x509: malformed {'UTCTime' if utc else 'GeneralizedTime'}"
    found = (_UTC if utc else _GENERALIZED).fullmatch(reader.any(problem).body)
    if found is None:
        raise Malformed(problem)
    year, month, day, hour, minute, second = (int(part or b"0") for part in found.groups()[:6])
    if utc:
        year += 1900 if year >= 50 else 2000
    if year == 0:
        raise Malformed(_NO_SUCH_DATE)
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset, zone = _offset(found[7], found[8], found[9])
        return Asn1Time(local - offset, f"{local.replace(tzinfo=None).isoformat()}{zone}")
    except OverflowError:
        raise Malformed(_NO_SUCH_DATE) from None
    except ValueError:
        raise Malformed(problem) from None


def _offset(sign: bytes | None, hours: bytes, minutes: bytes) -> tuple[timedelta, str]:
    if sign is None:
        return timedelta(), "Z"
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if not offset or int(hours) > 24 or int(minutes) > 59:  # zero must be written as Z
        raise ValueError
    zone = f"{sign.decode()}{hours.decode()}:{minutes.decode()}"
    return (-offset if sign == b"-" else offset), zone


@dataclass(frozen=True, slots=True)
class RawParts:
    """The parts of a certificate that are compared or verified byte by byte.

    All but `signature` are whole DER elements with their headers.
    """

    tbs: bytes
    subject: bytes
    issuer: bytes
    spki: bytes
    signature: bytes
    """The contents of the signature's BIT STRING, without a header."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certificate(Encoded):
    """An X.509 certificate. Times are timezone-aware, in UTC."""

    der: bytes
    raw: RawParts
    version: int
    """The X.509 version: 1, 2 or 3."""
    serial: int
    subject: Name
    issuer: Name
    not_before: datetime
    not_after: datetime
    validity_texts: tuple[str, str]
    """not_before and not_after as Go prints them (RFC 3339)."""
    key: PublicKey
    signature_algorithm: SignatureAlgorithm
    extensions: tuple[Extension, ...] = ()
    alt_names: SubjectAltNames = field(default_factory=SubjectAltNames)
    key_usage: tuple[str, ...] = ()
    """The key usages by their names in RFC 5280, such as "digitalSignature" or "keyCertSign"."""
    extended_key_usage: tuple[str, ...] = ()
    """The extended key usages, such as "serverAuth" or "clientAuth". A usage without a name in Go
    appears as its OID."""
    has_basic_constraints: bool = False
    is_ca: bool = False
    path_length: int | None = None
    subject_key_id: bytes = b""
    authority_key_id: bytes = b""
    name_constraints: NameConstraints | None = None
    demands_policies: bool = False
    """Whether the certificate requires, maps or forbids policies in certificates below it."""
    unhandled_critical: tuple[str, ...] = ()
    """The OIDs of critical extensions that Go does not handle. A certificate with any of them is
    never trusted."""

    def __repr__(self) -> str:
        return f"<Certificate {self.subject} serial {self.serial:x}>"

    @property
    def serial_text(self) -> str:
        """The serial number in lower-case hexadecimal, padded to whole octets, such as `0a1b`."""
        digits = f"{abs(self.serial):x}"
        return "-" * (self.serial < 0) + digits.zfill(len(digits) + len(digits) % 2)

    @property
    def has_san_extension(self) -> bool:
        """Whether the certificate has a SAN extension, even an empty one."""
        return self.value_of(SUBJECT_ALT_NAME) is not None

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are equal byte for byte."""
        return self.raw.subject == self.raw.issuer

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER in hexadecimal; the API server calls it X509SHA256."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki_sha256(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo in hexadecimal; kubeadm calls it the CA certificate hash."""
        return hashlib.sha256(self.raw.spki).hexdigest()

    def value_of(self, oid: str) -> bytes | None:
        """The value of an extension; None if the certificate lacks it."""
        return next((found.value for found in self.extensions if found.oid == oid), None)


def parse_certificate(data: bytes) -> Certificate:
    """Parses a certificate. Trailing bytes are an error. Raises Malformed with Go's error text."""
    outer = der.Reader(data)
    certificate = outer.inside(der.SEQUENCE, "x509: malformed certificate")
    tbs = certificate.element(der.SEQUENCE, "x509: malformed tbs certificate")
    body = der.Reader(tbs.body)
    version = _version(body)
    serial = body.integer("x509: malformed serial number")
    if serial < 0:
        raise Malformed("x509: negative serial number")
    algorithm = _algorithm(body, certificate)
    issuer = body.element(der.SEQUENCE, "x509: malformed issuer").raw
    issuer_name = read_name(issuer)
    not_before, not_after = _validity(body)
    subject = body.element(der.SEQUENCE, "x509: malformed issuer").raw
    subject_name = read_name(subject)
    spki = body.element(der.SEQUENCE, "x509: malformed spki").raw
    key = read_public_key(spki)
    extensions = _extensions(body, version)
    read = read_extensions(extensions)
    signature = der.right_aligned(*certificate.bits("x509: malformed signature"))
    if not outer.empty:
        raise Malformed("x509: trailing data")
    return Certificate(
        der=data,
        raw=RawParts(tbs.raw, subject, issuer, spki, signature),
        version=version,
        serial=serial,
        subject=subject_name,
        issuer=issuer_name,
        not_before=not_before.at,
        not_after=not_after.at,
        validity_texts=(not_before.text, not_after.text),
        key=key,
        signature_algorithm=algorithm,
        extensions=extensions,
        **read,
    )


def _version(body: der.Reader) -> int:
    """Reads the version, 1 to 3. DER encodes it as 0 to 2."""
    explicit = body.optional(der.explicit(0), "x509: malformed version")
    if explicit is None:
        return 1
    version = explicit.integer("x509: malformed version", bits=64)
    if version < 0 or not explicit.empty:
        raise Malformed("x509: malformed version")
    if version > 2:
        raise Malformed("x509: invalid version")
    return version + 1


def _algorithm(body: der.Reader, certificate: der.Reader) -> SignatureAlgorithm:
    """Reads the signature algorithm. A certificate states it twice, and both must match."""
    inner = body.body(der.SEQUENCE, "x509: malformed signature algorithm identifier")
    outer = certificate.body(der.SEQUENCE, "x509: malformed algorithm identifier")
    if inner != outer:
        raise Malformed("x509: inner and outer signature algorithm identifiers don't match")
    return read_algorithm(inner)


def _validity(body: der.Reader) -> tuple[Asn1Time, Asn1Time]:
    validity = body.inside(der.SEQUENCE, "x509: malformed validity")
    return read_time(validity), read_time(validity)


def _extensions(body: der.Reader, version: int) -> tuple[Extension, ...]:
    if version == 1:
        return ()
    body.optional(der.context(1), "x509: malformed issuerUniqueID")
    body.optional(der.context(2), "x509: malformed subjectUniqueID")
    if version == 2:
        return ()
    explicit = body.optional(der.explicit(3), "x509: malformed extensions")
    if explicit is None:
        return ()
    extensions: dict[str, Extension] = {}
    sequence = explicit.inside(der.SEQUENCE, "x509: malformed extensions")
    while not sequence.empty:
        extension = read_extension(sequence)
        if extension.oid in extensions:
            raise Malformed(
                f'x509: certificate contains duplicate extension with OID "{extension.oid}"'
            )
        extensions[extension.oid] = extension
    return tuple(extensions.values())
