"""Issues certificates with keys: self-signed in a kubelet's form, for CAs, and for servers.

Until a kubelet's first serving certificate is issued, every handshake on port 10250 fails. A pair
in `kubelet-server.crt` and `.key`, which the kubelet tries last, keeps the port answering until
then.

The pair must not match the kubelet's own template. A kubelet compares its certificate with the one
that it would request (certSatisfiesTemplateLocked in client-go's
util/certificate/certificate_manager.go: CN, O, DNS names, addresses). While both match, it sends no
CSR. So the pair has the form of the kubelet's own self-signed one: CN `<host>@<unix time>`, no O,
signed by a throw-away CA. With this pair, the kubelet sends a CSR at once.

This pair's keys are RSA 2048, like the kubelet's own, for clients and cipher suites that know only
RSA. ECDSA is for callers that need thousands of pairs (an RSA pair takes about 0.15 s).

We write the DER here, since the builder of `cryptography` rejects common names over 64 characters.
For a host name of 51 or more characters, `<host>-ca@<unix time>` is longer. Go has no limit.

Source: GenerateSelfSignedCertKeyWithOptions in client-go's util/cert/cert.go (1.36).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kubevouch.x509 import der, pem
from kubevouch.x509.bundle import read_pem
from kubevouch.x509.certificate import Certificate
from kubevouch.x509.errors import X509Error
from kubevouch.x509.extensions import encode_extension
from kubevouch.x509.gotext import Address, parse_address
from kubevouch.x509.names import COMMON_NAME, encode_name
from kubevouch.x509.sans import SUBJECT_ALT_NAME, encode_alt_names

BACKDATE = timedelta(hours=1)
"""How far in the past a certificate's validity starts, since clocks differ. A kubelet does the same
for its own pair."""

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
SHA256_RSA = der.encode(der.SEQUENCE, der.encode_oid("1.2.840.113549.1.1.11"), der.encode(der.NULL))
ECDSA_SHA256 = der.encode(der.SEQUENCE, der.encode_oid("1.2.840.10045.4.3.2"))
_SERVER_AUTH = der.encode_oid("1.3.6.1.5.5.7.3.1")
_SIGNATURE_AND_ENCIPHERMENT = b"\x05\xa0"
_AND_CERT_SIGN = b"\x02\xa4"


class KeyKind(StrEnum):
    """The kind of key in a pair."""

    RSA_2048 = "RSA 2048"
    ECDSA_P256 = "ECDSA P-256"


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """A certificate with its key in PEM, and its expiry. The chain of a self-signed pair includes its throw-away CA."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Body:
    """The fields of a certificate to issue, except its validity period and its key."""

    serial: int
    subject: bytes
    issuer: bytes
    extensions: tuple[bytes, ...]


def kubelet_self_signed(
    host: str,
    *,
    spki: bytes = b"",
    addresses: Iterable[Address] = (),
    now: datetime,
    lifetime: timedelta,
    serials: tuple[int, int],
    key_kind: KeyKind = KeyKind.RSA_2048,
) -> IssuedPair:
    """A self-signed pair in the kubelet's own form, valid from an hour before `now` until `now + lifetime`.

    Args:
        host: the kubelet's host name (lower case), or an IP address, which becomes an IP SAN.
        spki: an existing public key (SubjectPublicKeyInfo in DER), for a pair without a private
            key; empty for a new key.
        addresses: further IP SANs. A kubelet's own pair has none.
        now: a timezone-aware time; its Unix time is part of both common names.
        lifetime: the time from `now` until the pair expires.
        serials: random positive numbers of at most 63 bits, for the leaf and for its CA.
        key_kind: the kind of new keys. The CA's private key is discarded.

    Raises:
        X509Error: the host name is empty or not ASCII.
    """
    if not host or not host.isascii() or not host.isprintable():
        raise X509Error("host name", repr(host), "expected a host name in ASCII")
    key, ca_key = None if spki else new_key(key_kind), new_key(key_kind)
    validity = _validity(now - BACKDATE, now + lifetime)
    ca_name = encode_name((COMMON_NAME, f"{host}-ca@{int(now.timestamp())}"))
    key_id = hashlib.sha256(_key_bits(ca_key)).digest()[:20]
    ca = _Body(serials[1], ca_name, ca_name, _ca_extensions(key_id))
    leaf = _Body(
        serials[0],
        encode_name((COMMON_NAME, f"{host}@{int(now.timestamp())}")),
        ca_name,
        _leaf_extensions(key_id, host, addresses),
    )
    chain = b"".join(
        pem.encode_block("CERTIFICATE", _certificate(body, validity, subject, ca_key))
        for body, subject in ((leaf, _spki(key) if key else spki), (ca, _spki(ca_key)))
    )
    return IssuedPair(chain, _key_pem(key) if key else b"", now + lifetime)


def new_authority(name: str, *, now: datetime, lifetime: timedelta, serial: int) -> IssuedPair:
    """A CA with a P-256 key, valid from an hour before `now` until `now + lifetime`.

    name: its common name. The other arguments are those of `signed_serving_pair`.
    """
    key, end = new_key(KeyKind.ECDSA_P256), now + lifetime
    subject, key_id = encode_name((COMMON_NAME, name)), hashlib.sha256(_key_bits(key)).digest()[:20]
    body = _Body(serial, subject, subject, _ca_extensions(key_id))
    der_bytes = _certificate(body, _validity(now - BACKDATE, end), _spki(key), key)
    return IssuedPair(pem.encode_block("CERTIFICATE", der_bytes), _key_pem(key), end)


def signed_serving_pair(
    authority: Certificate,
    authority_key: bytes,
    names: Sequence[str],
    *,
    now: datetime,
    lifetime: timedelta,
    serial: int,
    where: str,
) -> IssuedPair:
    """A server's certificate for these names and addresses, signed by a CA. It expires no later than the CA.

    Args:
        authority: the CA's own certificate.
        authority_key: the CA's key in PEM, RSA or ECDSA.
        names: DNS names and IP addresses; the first is also the common name.
        now: a timezone-aware time; the certificate is valid from an hour before.
        lifetime: the time from `now` until the certificate expires.
        serial: a random positive number of at most 63 bits.
        where: the source of the CA and its key, for errors.

    Raises:
        X509Error: `authority` is not a CA or has expired, or the key is not the CA's.
    """
    if not authority.is_ca:
        raise X509Error(where, "the certificate is not a CA", "expected CA:TRUE")
    if authority.not_after <= now:
        raise X509Error(where, f"the CA expired on {authority.not_after:%Y-%m-%d}")
    if read_pem(authority_key, where).keys[:1] != (authority.spki_sha256,):
        raise X509Error(where, "the key does not belong to the CA", "expected its unencrypted key")
    signer = load_pem_private_key(authority_key, None)
    if not isinstance(signer, _PrivateKey):
        raise X509Error(where, "unsupported key type", "expected RSA or ECDSA")
    key, end = new_key(KeyKind.ECDSA_P256), min(now + lifetime, authority.not_after)
    extensions = _leaf_extensions(authority.subject_key_id, names[0], (), names[1:])
    body = _Body(serial, encode_name((COMMON_NAME, names[0])), authority.raw.subject, extensions)
    der_bytes = _certificate(body, _validity(now - BACKDATE, end), _spki(key), signer)
    return IssuedPair(pem.encode_block("CERTIFICATE", der_bytes), _key_pem(key), end)


def _key_pem(key: _PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def new_key(kind: KeyKind) -> _PrivateKey:
    """A new private key, from the system's randomness."""
    if kind is KeyKind.RSA_2048:
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def _spki(key: _PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _certificate(body: _Body, validity: bytes, spki: bytes, ca_key: _PrivateKey) -> bytes:
    """Encodes a version 3 certificate (RFC 5280, 4.1), with extensions in Go's order."""
    rsa_signs = isinstance(ca_key, rsa.RSAPrivateKey)
    algorithm = SHA256_RSA if rsa_signs else ECDSA_SHA256
    tbs = der.encode(
        der.SEQUENCE,
        der.encode(der.explicit(0), der.encode_integer(2)),
        der.encode_integer(body.serial),
        algorithm,
        body.issuer,
        validity,
        body.subject,
        spki,
        der.encode(der.explicit(3), der.encode(der.SEQUENCE, *body.extensions)),
    )
    signature = (
        ca_key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(ca_key, rsa.RSAPrivateKey)
        else ca_key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    )
    return der.encode(der.SEQUENCE, tbs, algorithm, der.encode(der.BIT_STRING, b"\x00", signature))


def _ca_extensions(key_id: bytes) -> tuple[bytes, ...]:
    return (
        encode_extension("2.5.29.15", der.encode(der.BIT_STRING, _AND_CERT_SIGN), critical=True),
        encode_extension(
            "2.5.29.19",
            der.encode(der.SEQUENCE, der.encode(der.BOOLEAN, b"\xff")),
            critical=True,
        ),
        encode_extension("2.5.29.14", der.encode(der.OCTET_STRING, key_id)),
    )


def _leaf_extensions(
    key_id: bytes, host: str, addresses: Iterable[Address], names: Iterable[str] = ()
) -> tuple[bytes, ...]:
    usage = der.encode(der.BIT_STRING, _SIGNATURE_AND_ENCIPHERMENT)
    by = der.encode(der.SEQUENCE, der.encode(der.context(0), key_id))
    signer = (encode_extension("2.5.29.35", by),) if key_id else ()
    return (
        encode_extension("2.5.29.15", usage, critical=True),
        encode_extension("2.5.29.37", der.encode(der.SEQUENCE, _SERVER_AUTH)),
        encode_extension("2.5.29.19", der.encode(der.SEQUENCE), critical=True),
        *signer,
        encode_extension(SUBJECT_ALT_NAME, _alt_names((host, *names), addresses)),
    )


def _alt_names(names: Iterable[str], addresses: Iterable[Address]) -> bytes:
    """A SAN extension's value. DNS names come first, then all addresses, including those among `names`."""
    read = {name: parse_address(name) for name in names}
    own = [address for address in read.values() if address is not None]
    dns = [name for name, address in read.items() if address is None]
    return encode_alt_names(dns, dict.fromkeys((*own, *addresses)))


def _validity(start: datetime, end: datetime) -> bytes:
    return der.encode(der.SEQUENCE, _time(start), _time(end))


def _time(moment: datetime) -> bytes:
    """Encodes a time: UTCTime through 2049, GeneralizedTime after (RFC 5280, 4.1.2.5)."""
    moment = moment.astimezone(UTC)
    if moment.year < 2050:
        return der.encode(der.UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode())
    return der.encode(der.GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode())


def _key_bits(key: _PrivateKey) -> bytes:
    """The contents of the key's BIT STRING, from which Go computes the key id (RFC 7093, method 1)."""
    encoding, layout = (
        (Encoding.DER, PublicFormat.PKCS1)
        if isinstance(key, rsa.RSAPrivateKey)
        else (Encoding.X962, PublicFormat.UncompressedPoint)
    )
    return key.public_key().public_bytes(encoding, layout)
