"""PEM files as kubelets and kubeadm write them, and what is said of those that are broken."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kubevouch.x509 import (
    X509Error,
    read_certificate_der,
    read_certificates,
    read_pem,
    write_certificates,
)
from kubevouch.x509.bundle import LARGEST_FILE, MOST_BLOCKS
from tests.support.authority import Authority
from tests.x509.recorded import ders

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
AUTHORITY = Authority()
SERVING = AUTHORITY.serving("w1.example.com", "10.0.0.5", node="w1")
CURRENT = SERVING.chain + SERVING.key  # as kubelet-server-current.pem


def pem_of(key: PrivateKey, layout: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, layout, NoEncryption())


def locked() -> bytes:
    """An encrypted key."""
    encryption = BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_combined_file_holds_certificates_and_tells_that_a_key_lay_there() -> None:
    bundle = read_pem(CURRENT, "kubelet-server-current.pem")
    leaf = bundle.certificates[0]
    assert leaf.subject.common_name == "system:node:w1"
    assert leaf.dns_names == ("w1.example.com",)
    assert bundle.keys == (leaf.spki_sha256,)


def test_no_key_survives_the_reading() -> None:
    secret = SERVING.key.split(b"\n")[1].decode()
    assert secret not in repr(read_pem(CURRENT, "here"))


def test_the_order_of_the_blocks_is_kept() -> None:
    crl = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    bundle = read_pem(SERVING.key + AUTHORITY.pem + crl + SERVING.chain, "here")
    assert [each.is_ca for each in bundle.certificates] == [True, False]


def test_a_certificate_is_read_from_der_where_one_is_expected() -> None:
    (from_pem,) = read_certificates(AUTHORITY.pem, "ca.crt")
    (from_der,) = read_certificates(from_pem.der, "ca.der")
    assert from_der == from_pem == read_certificate_der(from_pem.der, "peer")


def test_certificates_are_equal_and_hashed_by_their_bytes() -> None:
    first, again = (read_certificates(AUTHORITY.pem, "here")[0] for _ in range(2))
    (other,) = read_certificates(Authority().pem, "here")
    assert first == again
    assert first is not again
    assert {first, again, other} == {first, other}
    assert first != other
    assert first != first.der


def test_what_is_written_is_what_openssl_and_go_write() -> None:
    (ca,) = read_certificates(AUTHORITY.pem, "here")
    assert write_certificates((ca,)) == AUTHORITY.pem
    assert read_certificates(write_certificates((ca, ca)), "here") == (ca, ca)


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL),
        (lambda: ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
        (lambda: rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
        (ed25519.Ed25519PrivateKey.generate, PrivateFormat.PKCS8),
    ],
)
def test_of_each_kind_of_key_the_public_half_is_told(
    make: Callable[[], PrivateKey], layout: PrivateFormat
) -> None:
    key = make()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read_pem(pem_of(key, layout), "here").keys == (hashlib.sha256(public).hexdigest(),)


def test_a_key_belongs_to_its_certificate_and_to_no_other() -> None:
    (leaf,) = read_certificates(SERVING.chain, "crt")[:1]
    other = AUTHORITY.serving("w1.example.com").key
    for data, belongs in ((SERVING.key, True), (CURRENT, True), (other, False)):
        assert (read_pem(data, "key").keys == (leaf.spki_sha256,)) is belongs


def test_an_encrypted_key_is_told_as_one_without_a_public_half() -> None:
    assert read_pem(locked(), "here").keys == ("",)


def test_an_error_names_the_file_the_block_and_what_would_be_right() -> None:
    broken = AUTHORITY.pem + b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    with pytest.raises(X509Error) as caught:
        read_pem(broken, "pki/ca.crt")
    assert str(caught.value) == (
        "pki/ca.crt, block 2: not a certificate: x509: malformed tbs certificate; "
        "expected DER inside the CERTIFICATE block"
    )


def test_a_block_that_go_passes_over_is_an_error_with_its_line() -> None:
    indented = AUTHORITY.pem.replace(b"-----BEGIN", b" -----BEGIN")
    with pytest.raises(X509Error, match=r"^ca\.crt: line 1: Go cannot read this PEM block"):
        read_pem(indented, "ca.crt")
    lines = AUTHORITY.pem.count(b"\n")
    with pytest.raises(X509Error, match=rf"line {lines + 1}: "):
        read_pem(AUTHORITY.pem + indented, "ca.crt")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_half_a_file_is_told_as_cut_off(kept: float) -> None:
    pem = AUTHORITY.pem
    half = pem[: int(len(pem) * kept)]
    says = r"^ca\.crt: line 1: this PEM block has no END line: the file is truncated; "
    with pytest.raises(X509Error, match=says):
        read_pem(half, "ca.crt")
    lines = pem.count(b"\n")
    with pytest.raises(X509Error, match=rf"line {lines + 1}: this PEM block .* truncated"):
        read_pem(pem + half, "ca.crt")


def test_an_error_about_a_key_does_not_quote_it() -> None:
    broken = b"-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n"
    with pytest.raises(X509Error) as caught:
        read_pem(broken, "kubelet.key")
    assert str(caught.value).startswith("kubelet.key, block 1: not a private key: ")
    assert "secret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "contains no PEM block"),
        (b"hello", "contains no PEM block"),
        (b"\x30\x00", "contains no PEM block"),
        (b"x" * (LARGEST_FILE + 1), f"{LARGEST_FILE + 1} bytes"),
        (b"-----BEGIN A-----\n-----END A-----\n" * (MOST_BLOCKS + 1), f"more than {MOST_BLOCKS} PEM blocks"),
    ],
    ids=["empty", "text", "DER", "large", "many"],
)  # fmt: skip
def test_what_is_no_pem_file_is_refused(data: bytes, seen: str) -> None:
    with pytest.raises(X509Error) as caught:
        read_pem(data, "here")
    assert caught.value.seen == seen


def test_where_certificates_are_expected_a_file_without_one_is_refused() -> None:
    with pytest.raises(X509Error, match="contains no certificate"):
        read_certificates(SERVING.key, "ca.crt")
    with pytest.raises(X509Error, match="at most"):
        read_certificate_der(b"0" * (LARGEST_FILE + 1), "peer")


def test_a_full_bundle_is_read_whole() -> None:
    der = ders()["ca"]
    (ca,) = read_certificates(der, "here")
    bundle = read_pem(write_certificates((ca,) * MOST_BLOCKS), "bundle.crt")
    assert len(bundle.certificates) == MOST_BLOCKS
