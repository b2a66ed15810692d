"""Signature algorithms, and whether a signature is valid.

`cryptography` does the arithmetic. The accepted algorithms, the order of checks and the error texts
are Go's: getSignatureAlgorithmFromAI and checkSignature in crypto/x509/x509.go, and
crypto/internal/fips140/rsa.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.keys import CURVES, KeyAlgorithm, PublicKey

_UNIMPLEMENTED = "x509: cannot verify signature: algorithm unimplemented"
_NULL = b"\x05\x00"
_RSA_PSS = "1.2.840.113549.1.1.10"
_ED25519 = "1.3.101.112"
_MGF1 = "1.2.840.113549.1.1.8"
_KEY_TYPES = {
    KeyAlgorithm.RSA: "*rsa.PublicKey",
    KeyAlgorithm.ECDSA: "*ecdsa.PublicKey",
    KeyAlgorithm.ED25519: "ed25519.PublicKey",
}


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A signature algorithm: Go's name, the key's algorithm, and the hash ("" for none)."""

    name: str
    key: KeyAlgorithm
    hash: str = ""
    pss: bool = False


UNKNOWN = SignatureAlgorithm("0", KeyAlgorithm.UNKNOWN)
_RSA, _ECDSA = KeyAlgorithm.RSA, KeyAlgorithm.ECDSA
_ALGORITHMS = {
    "1.2.840.113549.1.1.4": SignatureAlgorithm("MD5-RSA", _RSA, "MD5"),
    "1.2.840.113549.1.1.5": SignatureAlgorithm("SHA1-RSA", _RSA, "SHA1"),
    "1.3.14.3.2.29": SignatureAlgorithm("SHA1-RSA", _RSA, "SHA1"),
    "1.2.840.113549.1.1.11": SignatureAlgorithm("SHA256-RSA", _RSA, "SHA256"),
    "1.2.840.113549.1.1.12": SignatureAlgorithm("SHA384-RSA", _RSA, "SHA384"),
    "1.2.840.113549.1.1.13": SignatureAlgorithm("SHA512-RSA", _RSA, "SHA512"),
    "1.2.840.10045.4.1": SignatureAlgorithm("ECDSA-SHA1", _ECDSA, "SHA1"),
    "1.2.840.10045.4.3.2": SignatureAlgorithm("ECDSA-SHA256", _ECDSA, "SHA256"),
    "1.2.840.10045.4.3.3": SignatureAlgorithm("ECDSA-SHA384", _ECDSA, "SHA384"),
    "1.2.840.10045.4.3.4": SignatureAlgorithm("ECDSA-SHA512", _ECDSA, "SHA512"),
    _ED25519: SignatureAlgorithm("Ed25519", KeyAlgorithm.ED25519),
}
_PSS_HASHES = {
    ("2.16.840.1.101.3.4.2.1", 32): SignatureAlgorithm("SHA256-RSAPSS", _RSA, "SHA256", pss=True),
    ("2.16.840.1.101.3.4.2.2", 48): SignatureAlgorithm("SHA384-RSAPSS", _RSA, "SHA384", pss=True),
    ("2.16.840.1.101.3.4.2.3", 64): SignatureAlgorithm("SHA512-RSAPSS", _RSA, "SHA512", pss=True),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA1": hashes.SHA1(),  # noqa: S303 - Go accepts it in CSRs only
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


def read_algorithm(identifier: bytes) -> SignatureAlgorithm:
    """Parses the contents of an AlgorithmIdentifier; UNKNOWN if Go does not know the algorithm.

    Raises Malformed with Go's error text if the bytes are not an AlgorithmIdentifier.
    """
    reader = der.Reader(identifier)
    oid = reader.oid("x509: malformed OID")
    parameters = b"" if reader.empty else reader.any("x509: malformed parameters").raw
    if oid == _RSA_PSS:
        try:
            return _pss(der.Reader(parameters))
        except Malformed:
            return UNKNOWN
    if oid == _ED25519 and parameters:
        return UNKNOWN
    return _ALGORITHMS.get(oid, UNKNOWN)


def _pss(reader: der.Reader) -> SignatureAlgorithm:
    """The algorithm that RSA-PSS parameters specify (RFC 4055).

    Go accepts only MGF1 with the same hash, and a salt as long as the hash.
    """
    fields = reader.inside(der.SEQUENCE, "")
    digest, digest_parameters = _identifier(fields.inside(der.explicit(0), ""))
    mask, mask_parameters = _identifier(fields.inside(der.explicit(1), ""))
    mask_digest, mask_digest_parameters = _identifier(der.Reader(mask_parameters))
    salt = fields.inside(der.explicit(2), "").integer("", bits=64)
    trailer = fields.optional(der.explicit(3), "")
    plain = {b"", _NULL}.issuperset((digest_parameters, mask_digest_parameters))
    if not plain or mask != _MGF1 or mask_digest != digest:
        return UNKNOWN
    if trailer is not None and trailer.integer("", bits=64) != 1:
        return UNKNOWN
    return _PSS_HASHES.get((digest, salt), UNKNOWN)


def _identifier(reader: der.Reader) -> tuple[str, bytes]:
    inner = reader.inside(der.SEQUENCE, "")
    return inner.oid(""), b"" if inner.empty else inner.any("").raw


def signature_error(
    algorithm: SignatureAlgorithm,
    signed: bytes,
    signature: bytes,
    key: PublicKey,
    *,
    sha1_allowed: bool = False,
) -> str:
    """Why a signature is invalid, in Go's words; "" if it is valid."""
    if algorithm.hash == "MD5" or (algorithm.hash == "SHA1" and not sha1_allowed):
        return f"x509: cannot verify signature: insecure algorithm {algorithm.name}"
    if algorithm == UNKNOWN or key.algorithm not in _KEY_TYPES:
        return _UNIMPLEMENTED
    if algorithm.key is not key.algorithm:
        return (
            f"x509: signature algorithm specifies an {algorithm.key} public key, "
            f"but have public key of type {_KEY_TYPES[key.algorithm]}"
        )
    if fault := _unusable(key):
        return fault
    try:
        _verify(algorithm, signed, signature, key)
    except InvalidSignature:
        return (
            "crypto/rsa: verification error"
            if key.algorithm is KeyAlgorithm.RSA
            else f"x509: {key.algorithm} verification failure"
        )
    return ""


def _unusable(key: PublicKey) -> str:
    """Why Go rejects this RSA key; "" if Go accepts it."""
    if key.algorithm is not KeyAlgorithm.RSA:
        return ""
    size = key.modulus.bit_length()
    if size < 1024:
        return (
            f"crypto/rsa: {size}-bit keys are insecure "
            "(see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
        )
    if key.modulus % 2 == 0:
        return "crypto/rsa: public modulus is even"
    if key.exponent < 2:
        return "crypto/rsa: public exponent too small or negative"
    if key.exponent % 2 == 0:
        return "crypto/rsa: public exponent is even"
    return "crypto/rsa: public exponent too large" if key.exponent >= 1 << 31 else ""


def _verify(algorithm: SignatureAlgorithm, signed: bytes, signature: bytes, key: PublicKey) -> None:
    loaded = _loaded(key)
    if isinstance(loaded, ed25519.Ed25519PublicKey):
        loaded.verify(signature, signed)
        return
    digest = _HASHES[algorithm.hash]
    if isinstance(loaded, ec.EllipticCurvePublicKey):
        loaded.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(loaded, rsa.RSAPublicKey):
        scheme = (
            padding.PSS(padding.MGF1(digest), digest.digest_size)
            if algorithm.pss
            else padding.PKCS1v15()
        )
        loaded.verify(signature, signed, scheme, digest)
    else:
        assert_never(loaded)


@lru_cache(maxsize=64)
def _loaded(
    key: PublicKey,
) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    """The key as a `cryptography` object. Cached, since a cluster has few CAs."""
    if key.algorithm is KeyAlgorithm.RSA:
        return rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    if key.algorithm is KeyAlgorithm.ECDSA:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[key.curve][1](), key.point)
    return ed25519.Ed25519PublicKey.from_public_bytes(key.point)


def encode_key(key: PublicKey) -> bytes:
    """Encodes an RSA, ECDSA or Ed25519 key as a SubjectPublicKeyInfo."""
    return _loaded(key).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
