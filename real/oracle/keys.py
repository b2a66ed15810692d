"""Keys made of their names, so that the corpus is the same every time and no private key is stored.

RSA signs by hand: `cryptography` refuses small keys and salts its PSS signatures anew each time, and here both are wanted.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from real.oracle.asn1 import bits, explicit, integer, null, octets, oid, seq
from real.oracle.dice import Dice

_HASH_OIDS = {
    "MD5": "1.2.840.113549.2.5",
    "SHA1": "1.3.14.3.2.26",
    "SHA256": "2.16.840.1.101.3.4.2.1",
    "SHA384": "2.16.840.1.101.3.4.2.2",
    "SHA512": "2.16.840.1.101.3.4.2.3",
}
_RSA_OIDS = {
    "MD5": "1.2.840.113549.1.1.4",
    "SHA1": "1.2.840.113549.1.1.5",
    "SHA256": "1.2.840.113549.1.1.11",
    "SHA384": "1.2.840.113549.1.1.12",
    "SHA512": "1.2.840.113549.1.1.13",
}
_ECDSA_OIDS = {
    "SHA1": "1.2.840.10045.4.1",
    "SHA256": "1.2.840.10045.4.3.2",
    "SHA384": "1.2.840.10045.4.3.3",
    "SHA512": "1.2.840.10045.4.3.4",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA1": hashes.SHA1(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class Key(Protocol):
    """A key pair: its SubjectPublicKeyInfo, and signatures with their AlgorithmIdentifier."""

    @property
    def spki(self) -> bytes: ...

    def algorithm(self, scheme: str) -> bytes:
        """The AlgorithmIdentifier of a scheme: "SHA256", "PSS-SHA256", "PSS-SHORT-SHA256", ..."""
        ...

    def sign(self, data: bytes, scheme: str) -> bytes: ...


@dataclass(frozen=True)
class RsaKey:
    p: int
    q: int
    exponent: int

    @property
    def modulus(self) -> int:
        return self.p * self.q

    @property
    def spki(self) -> bytes:
        key = seq(integer(self.modulus), integer(self.exponent))
        return seq(seq(oid("1.2.840.113549.1.1.1"), null()), bits(key))

    def algorithm(self, scheme: str) -> bytes:
        if scheme.startswith("PSS-"):
            return pss_algorithm(scheme.rpartition("-")[2])
        return seq(oid(_RSA_OIDS[scheme]), null())

    def sign(self, data: bytes, scheme: str) -> bytes:
        size = (self.modulus.bit_length() + 7) // 8
        if scheme.startswith("PSS-"):
            digest, short = scheme.rpartition("-")[2], "SHORT" in scheme
            message = _pss(data, digest, self.modulus.bit_length() - 1, short=short)
        else:
            info = seq(seq(oid(_HASH_OIDS[scheme]), null()), octets(_digest(data, scheme)))
            message = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return self._power(int.from_bytes(message, "big")).to_bytes(size, "big")

    def _power(self, number: int) -> int:
        """RFC 8017, 5.1.2, by the Chinese remainder theorem."""
        by_p, by_q = (
            pow(number, pow(self.exponent, -1, prime - 1), prime) for prime in (self.p, self.q)
        )
        return by_q + self.q * ((by_p - by_q) * pow(self.q, -1, self.p) % self.p)


@dataclass(frozen=True)
class EcKey:
    private: ec.EllipticCurvePrivateKey

    @property
    def spki(self) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    def algorithm(self, scheme: str) -> bytes:
        return seq(oid(_ECDSA_OIDS[scheme]))

    def sign(self, data: bytes, scheme: str) -> bytes:
        return self.private.sign(data, ec.ECDSA(_HASHES[scheme], deterministic_signing=True))


@dataclass(frozen=True)
class EdKey:
    private: ed25519.Ed25519PrivateKey

    @property
    def spki(self) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    def algorithm(self, scheme: str) -> bytes:
        del scheme
        return seq(oid("1.3.101.112"))

    def sign(self, data: bytes, scheme: str) -> bytes:
        del scheme
        return self.private.sign(data)


@dataclass(frozen=True)
class BareKey:
    """A public key that signs nothing: of a kind that Go does not know, or broken on purpose."""

    spki: bytes

    def algorithm(self, scheme: str) -> bytes:
        raise NotImplementedError

    def sign(self, data: bytes, scheme: str) -> bytes:
        raise NotImplementedError


_CURVES: dict[str, ec.EllipticCurve] = {
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


@cache
def ecdsa(name: str, curve: str = "P-256") -> EcKey:
    """The ECDSA key of this name."""
    return EcKey(ec.derive_private_key(Dice(f"ec {name}").bits(200) | 1, _CURVES[curve]))


@cache
def ed(name: str) -> EdKey:
    """The Ed25519 key of this name."""
    seed = hashlib.sha256(f"ed {name}".encode()).digest()
    return EdKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


@cache
def rsa(name: str, size: int = 2048, exponent: int = 65537) -> RsaKey:
    """The RSA key of this name."""
    dice = Dice(f"rsa {name} {size} {exponent}")
    p = _prime(dice, size // 2, exponent)
    return RsaKey(p, _prime(dice, size - size // 2, exponent), exponent)


def pss_algorithm(digest: str, salt: int = 0, mask: str = "", trailer: bytes = b"") -> bytes:
    """RSASSA-PSS with its parameters; without a salt length the digest's, without a mask the same hash."""
    inner = seq(oid(_HASH_OIDS[digest]), null())
    mask_hash = seq(oid(_HASH_OIDS[mask or digest]), null())
    return seq(
        oid("1.2.840.113549.1.1.10"),
        seq(
            explicit(0, inner),
            explicit(1, seq(oid("1.2.840.113549.1.1.8"), mask_hash)),
            explicit(2, integer(salt or hashlib.new(digest).digest_size)),
            trailer,
        ),
    )


def _digest(data: bytes, name: str) -> bytes:
    return hashlib.new(name, data).digest()


def _pss(data: bytes, name: str, size_in_bits: int, *, short: bool) -> bytes:
    """RFC 8017, 9.1.1, with a salt made of the message; a shorter one than the digest, if told."""
    digest = _digest(data, name)
    salt = _digest(b"salt" + data, name)[: 20 if short else None]
    size = (size_in_bits + 7) // 8
    hashed = _digest(bytes(8) + digest + salt, name)
    block = bytes(size - len(salt) - len(hashed) - 2) + b"\1" + salt
    mask = b"".join(
        _digest(hashed + count.to_bytes(4, "big"), name)
        for count in range(len(block) // len(hashed) + 1)
    )
    masked = bytes(left ^ right for left, right in zip(block, mask, strict=False))
    keep = 0xFF >> (8 * size - size_in_bits)
    return bytes([masked[0] & keep]) + masked[1:] + hashed + b"\xbc"


_SMALL = [
    number for number in range(3, 2000, 2) if all(number % d for d in range(3, 45, 2) if d < number)
]


def _prime(dice: Dice, size: int, exponent: int) -> int:
    candidate = dice.bits(size) | 3 << (size - 2) | 1
    while any(candidate % small == 0 for small in _SMALL) or not _is_prime(candidate, exponent):
        candidate += 2
    return candidate


def _is_prime(candidate: int, exponent: int) -> bool:
    """Fermat to the bases 2 and 3: plenty for numbers that nobody chose to deceive."""
    coprime = (candidate - 1) % exponent != 0
    return coprime and all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3))
