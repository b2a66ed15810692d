"""Kinds of certificates, and a certificate in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.x509 import (
    Certificate,
    CertificateKind,
    classify,
    describe,
    node_name_of,
    read_certificate_der,
)
from kubevouch.x509.kinds import duration_text, remaining_life, self_signed_host
from real.oracle.asn1 import name
from real.oracle.certificates import CLIENT_AUTH, NOW, SERVER_AUTH, Authority, authority, leaf
from real.oracle.keys import ecdsa
from tests.x509.recorded import certificate

BOTH = (SERVER_AUTH, CLIENT_AUTH)
NODE = (("O", "system:nodes"), ("CN", "system:node:w1"))


def made(
    *subject: tuple[str, str],
    usage: tuple[str, ...] | None = (SERVER_AUTH,),
    issuer: str = "kubernetes",
    ips: tuple[str, ...] = ("10.0.0.5",),
) -> Certificate:
    signer = Authority(issuer, name(("CN", issuer)), ecdsa("ca"))
    der = leaf(signer, ecdsa("leaf"), subject=name(*subject), usage=usage, ips=ips).der()
    return read_certificate_der(der, "here")


def ca(common_name: str) -> Certificate:
    return read_certificate_der(authority(name(("CN", common_name)), ecdsa("ca")).der(), "here")


@pytest.mark.parametrize(
    ("serial", "text"),
    [(0, "00"), (5, "05"), (0xA1B, "0a1b"), (0x80, "80"), (-5, "-05")],
)
def test_a_serial_number_is_written_in_whole_octets_as_by_openssl(serial: int, text: str) -> None:
    assert replace(made(*NODE), serial=serial).serial_text == text


KINDS = [
    (made(*NODE), "kubelet-serving"),
    (made(*NODE, usage=(CLIENT_AUTH,), ips=()), "kubelet-client"),
    (made(*NODE, usage=None), "other"),
    (made(("CN", "system:node:w1")), "other"),
    (made(("O", "system:nodes"), ("O", "x"), ("CN", "system:node:w1")), "other"),
    (made(("O", "system:nodes"), ("CN", "system:node:")), "other"),
    (made(("CN", "w1@1790805525"), issuer="w1-ca@1790805524"), "kubelet-self-signed"),
    (made(("CN", "a.b@c@1"), issuer="a.b@c-ca@2"), "kubelet-self-signed"),
    (made(("CN", "w1@1790805525"), issuer="w2-ca@1790805524"), "other"),
    (made(("CN", "w1@now"), issuer="w1-ca@now"), "other"),
    (made(("O", "x"), ("CN", "w1@1"), issuer="w1-ca@1"), "other"),
    (made(("CN", "localhost@1"), issuer="localhost-ca@1", ips=("127.0.0.1",)), "component-self-signed"),
    (made(("CN", "localhost@1"), issuer="localhost-ca@1", ips=()), "kubelet-self-signed"),
    (ca("w1-ca@1790805524"), "self-signed-ca"),
    (ca("kubernetes"), "ca"),
    (ca("etcd-ca"), "ca"),
    (ca("front-proxy-ca"), "ca"),
    (ca("ACME Root"), "ca"),
    (made(("CN", "kube-apiserver")), "apiserver"),
    (made(("CN", "kube-apiserver"), usage=(CLIENT_AUTH,)), "other"),
    (made(("CN", "m1"), usage=BOTH, issuer="etcd-ca"), "etcd-member"),
    (made(("CN", "m1"), usage=BOTH), "other"),
    (made(("CN", "system:kube-scheduler"), usage=(CLIENT_AUTH,)), "other"),
    (made(("CN", "alice"), usage=(CLIENT_AUTH,)), "other"),
    (made(), "other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "kind"), KINDS, ids=[f"{found.subject} {kind}" for found, kind in KINDS]
)
def test_a_certificate_is_known_by_its_names_and_usages(found: Certificate, kind: str) -> None:
    assert classify(found) == kind


def test_every_kind_is_known() -> None:
    assert {CertificateKind(kind) for _, kind in KINDS} == set(CertificateKind)


def test_a_kubelet_s_certificate_names_its_node() -> None:
    assert node_name_of(made(*NODE)) == "w1"
    assert node_name_of(made(*NODE, usage=(CLIENT_AUTH,))) == "w1"
    assert node_name_of(made(("CN", "system:node:w1"))) is None


def test_a_self_signed_certificate_names_its_host() -> None:
    assert self_signed_host(made(("CN", "w1@5"), issuer="w1-ca@4")) == "w1"
    assert self_signed_host(made(*NODE)) is None


def test_it_is_described_in_a_few_lines() -> None:
    expired = certificate("kubelet-expired")
    assert describe(expired, NOW) == (
        "kind         kubelet-self-signed",
        "subject      CN=w1@1790805525",
        "issuer       CN=w1-ca@1790805524",
        "serial       1",
        "valid        2026-05-26 00:00:00 UTC to 2026-10-14 12:00:00 UTC",
        "life         expired 41 days ago",
        "names        w1",
        "usage        serverAuth, digitalSignature",
        f"key          {expired.key}",
        "signed with  SHA256-RSA",
        f"sha256       {expired.fingerprint}",
    )


def test_a_ca_is_described_as_one() -> None:
    lines = describe(certificate("path1"), NOW)
    assert "issuer       CN=path (itself)" in lines
    assert "authority    may sign certificates, with a path length of at most 1" in lines
    assert "authority    may sign certificates" in describe(certificate("ca"), NOW)


def test_a_description_does_nothing_to_a_terminal() -> None:
    hostile = made(("CN", "w1\x1b[2J\n\u202e"), usage=None)
    lines = describe(hostile, NOW)
    assert all(line.isprintable() for line in lines)
    assert r"subject      CN=w1\x1b[2J\n\u202e" in lines


@pytest.mark.parametrize(
    ("at", "life"),
    [
        (NOW, "182 days left"),
        (NOW + timedelta(days=182), "12 hours left"),
        (NOW + timedelta(days=182, hours=11), "60 minutes left"),
        (NOW + timedelta(days=182, hours=11, minutes=59), "60 seconds left"),
        (NOW + timedelta(days=182.5), "0 seconds left"),
        (NOW + timedelta(days=182.5, seconds=1), "expired 1 second ago"),
        (NOW + timedelta(days=182.5 + 41), "expired 41 days ago"),
        (NOW - timedelta(days=182.5, hours=3), "becomes valid in 3 hours"),
    ],
)
def test_what_is_left_of_its_life_is_told_in_the_largest_unit(at: datetime, life: str) -> None:
    assert remaining_life(certificate("dates"), at) == life


def test_a_day_and_a_half_is_told_in_hours() -> None:
    assert duration_text(timedelta(days=1.5)) == "36 hours"
    assert (
        remaining_life(certificate("dates"), datetime(2026, 11, 24, 13, tzinfo=UTC))
        == "182 days left"
    )


def test_fingerprints_are_those_that_kubernetes_prints() -> None:
    found = certificate("ca")
    assert len(found.fingerprint) == len(found.spki_sha256) == 64
    assert repr(found) == "<Certificate CN=kubernetes serial 1>"
