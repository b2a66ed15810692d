"""Certificates that take long: to read, or to find out that they lead to no root."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from kubevouch_lab import pki
from tests.support.authority import Pair

_LIFE = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2125, 1, 1, tzinfo=UTC))
_NAME = pki._name("x")


def tangled_chain(*names: str, authorities: int = 15) -> Pair:
    """A leaf for these names, and so many authorities of one name and one P-384 key, whose signatures take longest."""
    signer, own = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    chain = [_signed(own, signer, names, 1)]
    chain += [
        _signed(signer, signer, (f"{number}",), number + 2, is_authority=True)
        for number in range(authorities)
    ]
    return Pair(b"".join(map(pki.certificate_pem, chain)), pki.key_pem(own))


def overlong_certificate(size: int) -> bytes:
    """An authority's certificate of about so many bytes, DER, full of what takes longest to read."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = [x509.UniformResourceIdentifier("a")] * (size // 5)
    return (
        _begun(key, x509.random_serial_number())
        .add_extension(x509.NameConstraints(named, None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _begun(key: ec.EllipticCurvePrivateKey, serial: int) -> x509.CertificateBuilder:
    return pki._builder(_NAME, _NAME, key, serial, _LIFE)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    serial: int,
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    others = x509.SubjectAlternativeName(list(map(x509.DNSName, names)))
    found = _begun(key, serial).add_extension(others, critical=False)
    if is_authority:
        # A path that is too long is found out after the signature, so that each branch tries every other one.
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        found = found.add_extension(constraint, critical=True)
    return found.sign(signer, hashes.SHA256())
