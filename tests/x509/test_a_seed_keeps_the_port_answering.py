"""The self-signed pair: in the kubelet's own form, good enough to serve with, and never too good."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

import pytest

from kubevouch.x509 import (
    Certificate,
    CertificateKind,
    KeyKind,
    X509Error,
    classify,
    kubelet_self_signed,
    node_name_of,
    read_pem,
    verify,
)
from kubevouch.x509.gotext import Address
from kubevouch.x509.issue import IssuedPair
from kubevouch.x509.kinds import self_signed_host
from real.oracle.asn1 import null, oid, seq
from tests.x509.handshake import presented

NOW = datetime(2026, 11, 24, 12, 0, 30, 500_000, tzinfo=UTC)
HOST = "w1.example.com"
ADDRESSES = (IPv4Address("10.0.0.5"), IPv6Address("fd00::5"))


def seed(
    host: str = HOST,
    *,
    addresses: tuple[Address, ...] = (),
    lifetime: timedelta = timedelta(days=3),
) -> IssuedPair:
    return kubelet_self_signed(
        host,
        addresses=addresses,
        now=NOW,
        lifetime=lifetime,
        serials=(71, 72),
        key_kind=KeyKind.ECDSA_P256,
    )


def pair(made: IssuedPair) -> tuple[Certificate, Certificate]:
    serving, ca = read_pem(made.chain_pem, "kubelet-server.crt").certificates
    return serving, ca


@pytest.fixture(scope="module")
def default() -> IssuedPair:
    """As it is made when nobody says otherwise: with RSA keys."""
    return kubelet_self_signed(HOST, now=NOW, lifetime=timedelta(days=3), serials=(71, 72))


def test_it_has_the_form_that_kubelets_give_to_themselves(default: IssuedPair) -> None:
    serving, ca = pair(default)
    assert str(serving.subject) == f"CN={HOST}@1795521630"
    assert str(serving.issuer) == str(ca.subject) == str(ca.issuer) == f"CN={HOST}-ca@1795521630"
    assert serving.key_usage == ("digitalSignature", "keyEncipherment")
    assert serving.extended_key_usage == ("serverAuth",)
    assert serving.has_basic_constraints
    assert not serving.is_ca
    assert serving.dns_names == (HOST,)
    assert serving.ip_addresses == ()
    assert ca.key_usage == ("digitalSignature", "keyEncipherment", "keyCertSign")
    assert ca.is_ca
    assert not ca.has_san_extension
    assert serving.authority_key_id == ca.subject_key_id != b""
    assert (serving.serial, ca.serial) == (71, 72)
    assert str(serving.key) == str(ca.key) == "RSA 2048"
    assert classify(serving) is CertificateKind.KUBELET_SELF_SIGNED
    assert classify(ca) is CertificateKind.SELF_SIGNED_CA
    assert self_signed_host(serving) == HOST


def test_the_key_is_the_leaf_s_and_stands_in_the_kubelet_s_own_kind_of_block(
    default: IssuedPair,
) -> None:
    serving, ca = pair(default)
    assert default.key_pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    assert read_pem(default.key_pem, "key").keys == (serving.spki_sha256,)
    assert ca.spki_sha256 != serving.spki_sha256


def test_its_algorithm_is_written_as_rfc_4055_wants_it(default: IssuedPair) -> None:
    written = seq(oid("1.2.840.113549.1.1.11"), null())
    assert [certificate.der.count(written) for certificate in pair(default)] == [2, 2]


def test_the_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(seed())


def test_it_is_valid_from_an_hour_ago_for_as_long_as_asked() -> None:
    for certificate in pair(seed(lifetime=timedelta(hours=6))):
        assert certificate.not_before == NOW.replace(microsecond=0) - timedelta(hours=1)
        assert certificate.not_after == NOW.replace(microsecond=0) + timedelta(hours=6)


def test_it_may_outlive_the_two_digits_of_a_year() -> None:
    serving, _ = pair(seed(lifetime=timedelta(days=365 * 30)))
    assert serving.not_after.year == 2056


def test_go_would_verify_it_by_its_own_ca_for_its_names_and_addresses() -> None:
    serving, ca = pair(seed(addresses=ADDRESSES))
    for dialled in (HOST, *map(str, ADDRESSES)):
        assert verify(serving, intermediates=(), roots=[ca], name=dialled, at=NOW).trusted
    assert not verify(serving, intermediates=(), roots=[ca], name="10.0.0.6", at=NOW).trusted


def test_a_host_that_is_an_address_stands_among_the_addresses_once() -> None:
    serving, _ = pair(seed("10.0.0.5", addresses=ADDRESSES))
    assert serving.dns_names == ()
    assert serving.ip_addresses == ADDRESSES


def test_a_long_host_name_is_no_obstacle() -> None:
    host = ".".join(["a" * 60] * 4)
    serving, ca = pair(seed(host))
    assert self_signed_host(serving) == host
    assert verify(serving, intermediates=(), roots=[ca], name=host, at=NOW).trusted


@pytest.mark.parametrize("host", ["", "b\u00fccher", "w1\n"])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(X509Error):
        seed(host)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_openssl_serves_with_it_and_trusts_it_by_its_ca(kind: KeyKind) -> None:
    now = datetime.now(UTC)
    made = kubelet_self_signed(
        HOST, now=now, lifetime=timedelta(days=3), serials=(1, 2), key_kind=kind
    )
    _, ca = pair(made)
    assert presented(made, ca.der, HOST) == pair(made)[0].der


@pytest.mark.parametrize("host", [HOST, "w1", f"system:node:{HOST}"])
def test_a_seed_never_keeps_the_kubelet_from_asking(host: str) -> None:
    """client-go's certificate manager (certSatisfiesTemplateLocked) compares the common name with system:node:NAME first.

    While it is the same, the kubelet asks for no certificate before 70 to 90 % of this one's life is over. No Node has an @
    in its name.
    """
    serving, _ = pair(seed(host, addresses=ADDRESSES))
    assert re.fullmatch(rf"{host}@\d+", serving.subject.common_name)
    assert node_name_of(serving) is None
