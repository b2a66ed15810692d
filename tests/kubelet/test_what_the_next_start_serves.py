"""Of a pki folder and a configuration: which certificate the kubelet serves after its next start, and what hinders it."""

from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.kubelet.configuration import KubeletConfiguration
from kubevouch.kubelet.pki import NextServing, ServingMode, next_serving
from tests.support.authority import Authority

PKI = "/var/lib/kubelet/pki"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SELF_SIGNED = KubeletConfiguration()
BOOTSTRAP = KubeletConfiguration(server_tls_bootstrap=True)
FILES = KubeletConfiguration(tls_cert_file="/etc/k.crt", tls_private_key_file="/etc/k.key")


@pytest.fixture(scope="module")
def good(authority: Authority) -> bytes:
    day = timedelta(days=1)
    return authority.serving("n1", node="n1", not_before=NOW - day, not_after=NOW + day).chain


@pytest.fixture(scope="module")
def expired(authority: Authority) -> bytes:
    day = timedelta(days=1)
    return authority.serving("n1", node="n1", not_before=NOW - 9 * day, not_after=NOW - day).chain


def file(path: str, certificates: bytes = b"") -> tuple[str, bytes]:
    return path if path.startswith("/") else f"{PKI}/{path}", certificates


def following(configuration: KubeletConfiguration, *files: tuple[str, bytes]) -> NextServing:
    return next_serving(configuration, PKI, dict(files), NOW)


def served(found: NextServing) -> bool:
    return bool(found.chain) and not found.fault


def test_a_self_signed_pair_is_served_also_when_it_has_expired(expired: bytes) -> None:
    found = following(SELF_SIGNED, file("kubelet.crt", expired), file("kubelet.key"))
    assert found.mode is ServingMode.SELF_SIGNED
    assert served(found)
    assert found.path == f"{PKI}/kubelet.crt"
    assert found.chain[0].not_after < NOW


def test_without_a_pair_the_kubelet_makes_one() -> None:
    assert following(SELF_SIGNED) == NextServing(ServingMode.SELF_SIGNED)


@pytest.mark.parametrize("only", ["kubelet.crt", "kubelet.key"])
def test_half_a_self_signed_pair_keeps_the_kubelet_from_starting(only: str, good: bytes) -> None:
    found = following(SELF_SIGNED, file(only, good))
    assert not served(found)
    assert not found.starts
    assert "does not start" in found.fault


def test_a_configured_pair_is_served_and_must_be_there(good: bytes) -> None:
    found = following(FILES, file("/etc/k.crt", good), file("/etc/k.key"), file("kubelet.crt", b""))
    assert (found.mode, found.path, served(found)) == (ServingMode.FILES, "/etc/k.crt", True)
    missing = following(FILES, file("/etc/k.crt", good))
    assert missing.fault == "/etc/k.key is missing: the kubelet does not start"
    assert (found.starts, missing.starts) == (True, False)
    half = KubeletConfiguration(tls_cert_file="/etc/k.crt")
    assert "one of the pair" in following(half, file("/etc/k.crt", good)).fault


def test_the_rotated_certificate_wins_over_seed_and_configured_pair(
    good: bytes, expired: bytes
) -> None:
    both = KubeletConfiguration(
        server_tls_bootstrap=True, tls_cert_file="/etc/k.crt", tls_private_key_file="/etc/k.key"
    )
    rotated = file("kubelet-server-current.pem", good)
    configured = [file("/etc/k.crt", good), file("/etc/k.key")]
    seed = [file("kubelet-server.crt", good), file("kubelet-server.key")]
    assert following(both, rotated, *configured, *seed).path == rotated[0]
    assert following(both, *configured, *seed).path == "/etc/k.crt"
    assert following(both, *seed).path == f"{PKI}/kubelet-server.crt"
    assert served(following(BOOTSTRAP, *seed))


def test_an_expired_rotated_certificate_is_thrown_away_in_spite_of_a_seed(
    good: bytes, expired: bytes
) -> None:
    """The half-done cluster: approved once by hand, long ago."""
    found = following(
        BOOTSTRAP,
        file("kubelet-server-current.pem", expired),
        file("kubelet-server.crt", good),
        file("kubelet-server.key"),
    )
    assert not served(found)
    assert found.path == f"{PKI}/kubelet-server-current.pem"
    assert "discards it" in found.fault


def test_bootstrap_without_any_pair_is_dark_and_never_looks_at_the_self_signed_one(
    good: bytes,
) -> None:
    found = following(BOOTSTRAP, file("kubelet.crt", good), file("kubelet.key"))
    assert found == NextServing(ServingMode.BOOTSTRAP)


def test_a_certificate_that_cannot_be_read_is_a_fault() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found = following(BOOTSTRAP, file("kubelet-server-current.pem", broken))
    assert not served(found)
    assert found.fault
