"""A server's certificate signed by an authority: OpenSSL verifies it for each of its names, and for no other."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from kubevouch.x509 import X509Error, read_certificates, read_pem, signed_serving_pair
from kubevouch.x509.issue import IssuedPair
from tests.support.self_signed import Key, by_hand
from tests.x509.handshake import presented

NAMES = ("usage.kube-system.svc", "usage.kube-system", "10.0.0.5", "fd00::5")
NOW = datetime.now(UTC)
KEYS: dict[str, Callable[[], Key]] = {
    "as sprig's genCA makes it": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def authority(
    key: Key, *, ca: bool = True, key_id: bool = True, ends: datetime = NOW + timedelta(days=3650)
) -> tuple[bytes, bytes]:
    """An authority by `cryptography`: certificate and key, PEM."""
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=ca, path_length=None)]
    if key_id:
        extensions.append(x509.SubjectKeyIdentifier.from_public_key(key.public_key()))
    made = by_hand("usage-ca", (NOW - timedelta(days=800), ends), *extensions, key=key)
    return made.chain, made.key


def issued(pem: bytes, key: bytes, *, names: tuple[str, ...] = NAMES) -> IssuedPair:
    return signed_serving_pair(
        read_certificates(pem, "ca.crt")[0],
        key,
        names,
        now=NOW,
        lifetime=timedelta(days=30),
        serial=99,
        where="ca.crt, ca.key",
    )


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("key_id", [True, False])
def test_openssl_verifies_it_for_each_of_its_names(make: Callable[[], Key], key_id: bool) -> None:
    pem, key = authority(make(), key_id=key_id)
    made = issued(pem, key)
    for name in NAMES:
        assert presented(made, pem.decode(), name)
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        presented(made, pem.decode(), "other.kube-system.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        presented(made, authority(make())[0].decode(), NAMES[0])


def test_it_is_a_servers_and_lives_as_long_as_it_was_told() -> None:
    pem, key = authority(KEYS["P-256"]())
    made = issued(pem, key)
    leaf = x509.load_pem_x509_certificate(made.chain_pem)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(pem))
    assert leaf.serial_number == 99
    assert leaf.not_valid_before_utc <= NOW - timedelta(minutes=59)
    assert abs(leaf.not_valid_after_utc - made.not_after) < timedelta(seconds=1)
    assert made.not_after == NOW + timedelta(days=30)
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert not constraints.ca
    assert list(usages) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    [read] = read_certificates(made.chain_pem, "made")
    assert read_pem(made.key_pem, "made").keys == (read.spki_sha256,)
    assert issued(pem, key).key_pem != made.key_pem


def test_it_ends_no_later_than_its_authority() -> None:
    ends = NOW.replace(microsecond=0) + timedelta(days=3)
    assert issued(*authority(KEYS["P-256"](), ends=ends)).not_after == ends


def test_what_cannot_sign_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem, own = authority(key)
    other = authority(ec.generate_private_key(ec.SECP256R1()))[1]
    edwards = authority(ed25519.Ed25519PrivateKey.generate())
    words = BestAvailableEncryption(b"secret")
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, words)
    for given, said in (
        (authority(key, ca=False), "not a CA"),
        (authority(key, ends=NOW - timedelta(seconds=1)), "the CA expired"),
        ((pem, other), "does not belong to the CA"),
        (edwards, "unsupported key type"),
        ((pem, pem), "does not belong to the CA"),
        ((pem, other + own), "does not belong to the CA"),
        ((pem, locked), "expected its unencrypted key"),
        ((pem, own.replace(b"M", b"?")), "Go cannot read this PEM block"),
    ):
        with pytest.raises(X509Error, match=said):
            issued(*given)
