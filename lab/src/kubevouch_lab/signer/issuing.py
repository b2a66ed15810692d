"""The certificate that the cluster's signer makes of a request.

What stands in it is what Go reads in the request, written as Go writes it: names and addresses in Go's order,
mapped addresses as IPv4, known attributes of the subject only. The DER is written here since `cryptography` refuses
common names of more than 64 characters, and a node's FQDN may be longer.

Sources: pkg/controller/certificates/authority/{authority,policies}.go, duration in
pkg/controller/certificates/signer/signer.go; CreateCertificate in Go's crypto/x509/x509.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kubevouch.x509 import (
    Certificate,
    CertificateRequest,
    Name,
    PublicKey,
    X509Error,
    der,
    pem,
    read_certificates,
    unmapped,
)
from kubevouch.x509.keys import KeyAlgorithm

LIFE = timedelta(days=365)
"""--cluster-signing-duration, by default."""
_BACKDATE = timedelta(minutes=5)
_SHORT = timedelta(hours=8)
_SHORTEST = timedelta(minutes=10)
_SHA256_RSA = der.encode(
    der.SEQUENCE, der.encode_oid("1.2.840.113549.1.1.11"), der.encode(der.NULL)
)
_ECDSA = {"secp256r1": ("1.2.840.10045.4.3.2", hashes.SHA256()),
          "secp384r1": ("1.2.840.10045.4.3.3", hashes.SHA384()),
          "secp521r1": ("1.2.840.10045.4.3.4", hashes.SHA512())}  # fmt: skip
# The order in which pkix.Name.ToRDNSequence writes them; what is not here is lost.
_SUBJECT = ("2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.7", "2.5.4.8", "2.5.4.9", "2.5.4.17")
_LAST = ("2.5.4.3", "2.5.4.5")
# Bits of keyUsage, and object identifiers, by the words of spec.usages (keyUsageDict, extKeyUsageDict).
_BITS = {
    "signing": 0, "digital signature": 0, "content commitment": 1, "key encipherment": 2, "data encipherment": 3,
    "key agreement": 4, "cert sign": 5, "crl sign": 6, "encipher only": 7, "decipher only": 8,
}  # fmt: skip
_PURPOSES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


class CannotSign(Exception):
    """Why nothing is signed now, in the signer's words. It is tried again, and no condition shows it."""


@dataclass(frozen=True)
class SigningCa:
    """The CA that signs: its certificate and its key (RSA, or ECDSA on a NIST curve)."""

    certificate: Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)


def signing_ca(certificate_pem: bytes, key_pem: bytes) -> SigningCa:
    """From ca.crt and ca.key. Raises X509Error where the controller manager would not start its signers."""
    found = read_certificates(certificate_pem, "ca.crt")
    if len(found) != 1:
        raise X509Error("ca.crt", f"expected 1 certificate, found {len(found)}", "one was expected")
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise X509Error("ca.key", type(key).__name__, "an RSA or an ECDSA key was expected")
    return SigningCa(found[0], key)


def duration(asked: int | None, life: timedelta = LIFE) -> timedelta:
    """How long a certificate is good: what was asked for (seconds), within the signer's bounds."""
    if asked is None:
        return life
    return min(max(timedelta(seconds=asked), _SHORTEST), life)


def issued(
    request: CertificateRequest,
    usages: Iterable[str],
    ca: SigningCa,
    *,
    now: datetime,
    life: timedelta,
    serial: int,
) -> bytes:
    """The certificate, PEM, one block. serial: positive, at most 128 bits. Raises CannotSign."""
    begins, ends = validity(now, life, ca.certificate)
    issuer_key = ca.key
    algorithm = _algorithm(issuer_key)
    extensions = b"".join(_extensions(request, frozenset(usages), ca.certificate))
    body = der.encode(
        der.SEQUENCE,
        der.encode(der.explicit(0), der.encode_integer(2)),
        der.encode_integer(serial),
        algorithm,
        ca.certificate.raw.subject,
        der.encode(der.SEQUENCE, _time(begins), _time(ends)),
        _subject(request.subject),
        _public_key(request.key),
        der.encode(der.explicit(3), der.encode(der.SEQUENCE, extensions)),
    )
    signature = (
        issuer_key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(issuer_key, rsa.RSAPrivateKey)
        else issuer_key.sign(body, ec.ECDSA(_ECDSA[issuer_key.curve.name][1]))
    )
    bits = der.encode(der.BIT_STRING, b"\x00", signature)
    return pem.encode_block("CERTIFICATE", der.encode(der.SEQUENCE, body, algorithm, bits))


def validity(now: datetime, life: timedelta, ca: Certificate) -> tuple[datetime, datetime]:
    """Back-dated by five minutes, and so is the end unless it is near; never longer than the CA. Raises CannotSign."""
    begins = now - _BACKDATE
    ends = min(now + life if life < _SHORT else now + life - _BACKDATE, ca.not_after)
    shown = f"{ca.not_after:%Y-%m-%d %H:%M:%S} +0000 UTC"
    if begins >= ca.not_after:
        raise CannotSign(f"the signer has expired: NotAfter={shown}")
    if now >= ca.not_after:
        raise CannotSign(
            f"refusing to sign a certificate that expired in the past: NotAfter={shown}"
        )
    return begins, ends


def _algorithm(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return _SHA256_RSA
    return der.encode(der.SEQUENCE, der.encode_oid(_ECDSA[key.curve.name][0]))


def _subject(name: Name) -> bytes:
    """Known attributes, all values of a kind in one relative name; of common names and serials the last."""
    found = [(oid, name.values(oid)) for oid in _SUBJECT]
    found += [(oid, name.values(oid)[-1:]) for oid in _LAST]
    return der.encode(
        der.SEQUENCE, *(_relative_name(oid, texts) for oid, texts in found if any(texts))
    )


def _relative_name(oid: str, texts: tuple[str, ...]) -> bytes:
    """DER wants the members of a SET in the order of their bytes."""
    members = (der.encode(der.SEQUENCE, der.encode_oid(oid), _string(text)) for text in texts)
    return der.encode(der.SET, *sorted(members))


_PRINTABLE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '()+,-./:=?")


def _string(text: str) -> bytes:
    tag = der.PRINTABLE_STRING if _PRINTABLE.issuperset(text) else der.UTF8_STRING
    return der.encode(tag, text.encode())


def _public_key(key: PublicKey) -> bytes:
    match key.algorithm:
        case KeyAlgorithm.RSA:
            body = der.encode(
                der.SEQUENCE, der.encode_integer(key.modulus), der.encode_integer(key.exponent)
            )
            kind = der.encode_oid("1.2.840.113549.1.1.1") + der.encode(der.NULL)
        case KeyAlgorithm.ECDSA:
            body = key.point
            kind = der.encode_oid("1.2.840.10045.2.1") + der.encode_oid(key.curve)
        case KeyAlgorithm.ED25519:
            body, kind = key.point, der.encode_oid("1.3.101.112")
        case _:
            raise CannotSign("x509: only RSA, ECDSA and Ed25519 keys supported")
    return der.encode(
        der.SEQUENCE, der.encode(der.SEQUENCE, kind), der.encode(der.BIT_STRING, b"\x00", body)
    )


def _extensions(
    request: CertificateRequest, usages: frozenset[str], ca: Certificate
) -> list[bytes]:
    """In the order in which Go writes them (buildCertExtensions)."""
    found = []
    bits = {_BITS[usage] for usage in usages & _BITS.keys()}
    if bits:
        found.append(_extension("2.5.29.15", _bit_string(bits), critical=True))
    purposes = [oid for oid in dict.fromkeys(_PURPOSES.values()) if oid in _wanted(usages)]
    if purposes:
        listed = der.encode(der.SEQUENCE, *map(der.encode_oid, purposes))
        found.append(_extension("2.5.29.37", listed))
    found.append(_extension("2.5.29.19", der.encode(der.SEQUENCE), critical=True))
    if ca.subject_key_id:
        key_id = der.encode(der.SEQUENCE, der.encode(der.context(0), ca.subject_key_id))
        found.append(_extension("2.5.29.35", key_id))
    names = _alt_names(request)
    if names:
        empty = not request.subject.attributes
        listed = der.encode(der.SEQUENCE, *names)
        found.append(_extension("2.5.29.17", listed, critical=empty))
    return found


def _wanted(usages: frozenset[str]) -> set[str]:
    return {_PURPOSES[usage] for usage in usages & _PURPOSES.keys()}


def _alt_names(request: CertificateRequest) -> list[bytes]:
    asked = request.alt_names
    return [
        *(der.encode(der.context(2), name.encode("ascii")) for name in asked.dns_names),
        *(der.encode(der.context(1), name.encode("ascii")) for name in asked.emails),
        *(der.encode(der.context(7), unmapped(each).packed) for each in asked.ip_addresses),
        *(der.encode(der.context(6), uri.encode("ascii")) for uri in asked.uris),
    ]


def _bit_string(bits: set[int]) -> bytes:
    """Bits counted from the left; zeros at the end are left out."""
    octets = bytearray(max(bits) // 8 + 1)
    for bit in bits:
        octets[bit // 8] |= 0x80 >> bit % 8
    return der.encode(der.BIT_STRING, bytes([7 - max(bits) % 8]), bytes(octets))


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    marked = der.encode(der.BOOLEAN, b"\xff") if critical else b""
    return der.encode(
        der.SEQUENCE, der.encode_oid(oid), marked, der.encode(der.OCTET_STRING, value)
    )


def _time(moment: datetime) -> bytes:
    """RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime after; whole seconds."""
    moment = moment.astimezone(UTC)
    if moment.year < 2050:
        return der.encode(der.UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode())
    return der.encode(der.GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode())
