"""Parses public keys, and the public half of private keys.

Sources: parsePublicKey in Go's crypto/x509/parser.go; parsePrivateKey in crypto/tls/tls.go.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed

LARGEST_RSA = 16384
"""The longest RSA modulus in bits. OpenSSL, unlike Go, cannot verify with longer keys, so our parser
rejects them."""


class KeyAlgorithm(StrEnum):
    """The algorithm of a public key. The values are Go's names."""

    RSA = "RSA"
    ECDSA = "ECDSA"
    ED25519 = "Ed25519"
    UNKNOWN = "unknown"


_ALGORITHMS = {
    "1.2.840.113549.1.1.1": KeyAlgorithm.RSA,
    "1.2.840.10045.2.1": KeyAlgorithm.ECDSA,
    "1.3.101.112": KeyAlgorithm.ED25519,
}
CURVES: dict[str, tuple[str, type[ec.EllipticCurve]]] = {
    "1.3.132.0.33": ("P-224", ec.SECP224R1),
    "1.2.840.10045.3.1.7": ("P-256", ec.SECP256R1),
    "1.3.132.0.34": ("P-384", ec.SECP384R1),
    "1.3.132.0.35": ("P-521", ec.SECP521R1),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Two objects are equal if the keys are the same, however they were encoded."""

    algorithm: KeyAlgorithm
    modulus: int = 0
    exponent: int = 0
    curve: str = ""
    point: bytes = b""

    def __str__(self) -> str:
        """The key's type and size: "RSA 2048", "ECDSA P-256", "Ed25519"."""
        match self.algorithm:
            case KeyAlgorithm.RSA:
                return f"RSA {self.modulus.bit_length()}"
            case KeyAlgorithm.ECDSA:
                return f"ECDSA {CURVES[self.curve][0]}"
        return str(self.algorithm)

    def __repr__(self) -> str:
        return f"<PublicKey {self}>"


def read_public_key(spki: bytes) -> PublicKey:
    """Parses the key in a SubjectPublicKeyInfo element. Raises Malformed with Go's error text."""
    reader = der.Reader(spki).inside(der.SEQUENCE, "x509: malformed spki")
    identifier = reader.inside(der.SEQUENCE, "x509: malformed public key algorithm identifier")
    algorithm = _ALGORITHMS.get(identifier.oid("x509: malformed OID"), KeyAlgorithm.UNKNOWN)
    parameters = None if identifier.empty else identifier.any("x509: malformed parameters")
    key = der.right_aligned(*reader.bits("x509: malformed subjectPublicKey"))
    match algorithm:
        case KeyAlgorithm.RSA:
            return _rsa(parameters, key)
        case KeyAlgorithm.ECDSA:
            return _ecdsa(parameters, key)
        case KeyAlgorithm.ED25519:
            return _ed25519(parameters, key)
    return PublicKey(KeyAlgorithm.UNKNOWN, point=key)


def _rsa(parameters: der.Element | None, key: bytes) -> PublicKey:
    if parameters is None or parameters.raw != b"\x05\x00":
        raise Malformed("x509: RSA key missing NULL parameters")
    reader = der.Reader(key).inside(der.SEQUENCE, "x509: invalid RSA public key")
    modulus = reader.integer("x509: invalid RSA modulus")
    exponent = reader.integer("x509: invalid RSA public exponent", bits=64)
    if modulus <= 0:
        raise Malformed("x509: RSA modulus is not a positive number")
    if exponent <= 0:
        raise Malformed("x509: RSA public exponent is not a positive number")
    if modulus.bit_length() > LARGEST_RSA:
        raise Malformed(f"an RSA modulus of {modulus.bit_length()} bits, more than {LARGEST_RSA}")
    return PublicKey(KeyAlgorithm.RSA, modulus=modulus, exponent=exponent)


def _ecdsa(parameters: der.Element | None, key: bytes) -> PublicKey:
    named = der.Reader(parameters.raw if parameters else b"")
    curve = named.oid("x509: invalid ECDSA parameters")
    if curve not in CURVES:
        raise Malformed("x509: unsupported elliptic curve")
    if not key.startswith(b"\x04"):
        raise Malformed("ecdsa: invalid uncompressed public key")
    name, kind = CURVES[curve][0].replace("-", ""), CURVES[curve][1]()
    if len(key) != 1 + 2 * ((kind.key_size + 7) // 8):
        raise Malformed(f"invalid {name} point encoding")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(kind, key)
    except ValueError:
        raise Malformed(f"{name} point not on curve") from None
    return PublicKey(KeyAlgorithm.ECDSA, curve=curve, point=key)


def _ed25519(parameters: der.Element | None, key: bytes) -> PublicKey:
    if parameters is not None:
        raise Malformed("x509: Ed25519 key encoded with illegal parameters")
    if len(key) != 32:
        raise Malformed("x509: wrong Ed25519 public key size")
    return PublicKey(KeyAlgorithm.ED25519, point=key)


def read_private_key(label: str, body: bytes) -> str:
    """SHA-256 of a private key's public half; "" if the key is encrypted.

    Reads PKCS#1, PKCS#8 and SEC 1 under any PEM label. Raises Malformed with an error that shows no
    bytes of the key. Does not check an RSA key for consistency (50 ms): OpenSSL does this when a
    server loads the key.
    """
    if label == "ENCRYPTED PRIVATE KEY":
        return ""
    try:
        private = load_der_private_key(body, None, unsafe_skip_rsa_key_validation=True)
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Malformed("tls: failed to parse private key") from None
    return hashlib.sha256(spki).hexdigest()
