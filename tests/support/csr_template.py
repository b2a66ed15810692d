"""Makes CSRs as a kubelet would, and as no kubelet would.

Each is signed with a key that is generated here, from the system's randomness, and dropped at once. The DER is written
here, since no builder writes what only an attacker sends: two extension requests, a URI, a mapped address.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubevouch.x509 import der, pem
from kubevouch.x509.csr import CSR_LABEL
from kubevouch.x509.gotext import Address
from kubevouch.x509.issue import ECDSA_SHA256, SHA256_RSA, KeyKind, new_key
from kubevouch.x509.names import COMMON_NAME, ORGANIZATION, encode_name

_PKCS9 = "1.2.840.113549.1.9.14"
_MICROSOFT = "1.3.6.1.4.1.311.2.1.14"
_SUBJECT_ALT_NAME = "2.5.29.17"
_DNS, _URI, _ADDRESS = 2, 6, 7


@dataclass(frozen=True, slots=True)
class CsrTemplate:
    """What a CSR asks for, as text: nothing is checked. Addresses are written as they are, mapped ones too."""

    common_name: str
    organizations: tuple[str, ...] = ("system:nodes",)
    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    uris: tuple[str, ...] = ()
    shown_names: tuple[str, ...] = ()
    """Names in a second extension request before the first, of Microsoft's type: some readers see only these."""

    key_kind: KeyKind = KeyKind.ECDSA_P256


def new_csr(template: CsrTemplate) -> bytes:
    """PEM of a CSR with a new key."""
    key = new_key(template.key_kind)
    attributes = [_asking(_PKCS9, _general_names(template))]
    if template.shown_names:
        shown = [_general_name(_DNS, name) for name in template.shown_names]
        attributes.insert(0, _asking(_MICROSOFT, shown))
    info = der.encode(
        der.SEQUENCE,
        der.encode_integer(0),
        encode_name(
            *((ORGANIZATION, each) for each in template.organizations),
            (COMMON_NAME, template.common_name),
        ),
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        der.encode(der.explicit(0), *attributes),
    )
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm, signature = SHA256_RSA, key.sign(info, padding.PKCS1v15(), hashes.SHA256())
    else:
        algorithm, signature = ECDSA_SHA256, key.sign(info, ec.ECDSA(hashes.SHA256()))
    signed = der.encode(der.BIT_STRING, b"\x00", signature)
    return pem.encode_block(CSR_LABEL, der.encode(der.SEQUENCE, info, algorithm, signed))


def _general_names(template: CsrTemplate) -> list[bytes]:
    return [
        *(_general_name(_DNS, each) for each in template.names),
        *(_general_name(_URI, each) for each in template.uris),
        *(der.encode(der.context(_ADDRESS), each.packed) for each in template.addresses),
    ]


def _general_name(kind: int, text: str) -> bytes:
    return der.encode(der.context(kind), text.encode("ascii"))


def _asking(request: str, general_names: Sequence[bytes]) -> bytes:
    """An extension request with a subjectAltName and nothing else."""
    extension = der.encode(
        der.SEQUENCE,
        der.encode_oid(_SUBJECT_ALT_NAME),
        der.encode(der.OCTET_STRING, der.encode(der.SEQUENCE, *general_names)),
    )
    extensions = der.encode(der.SEQUENCE, extension)
    return der.encode(der.SEQUENCE, der.encode_oid(request), der.encode(der.SET, extensions))
