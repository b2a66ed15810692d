"""A client context accepts what Go's client accepts, and refuses the rest."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kubevouch.system_clock import SystemClock
from kubevouch.tls import RootsError
from kubevouch.tls.io.context import KeyPair, client_context, inspection_context
from kubevouch.tls.io.identity import presented
from kubevouch.x509 import X509Error
from tests.support.authority import Authority, Pair
from tests.support.contexts import server_context
from tests.support.in_memory import handshake
from tests.support.scripted.kubelet import ScriptedKubelet, Serve
from tests.support.self_signed import CA, by_hand

LOCALHOST = "127.0.0.1"


def test_a_certificate_of_the_cluster_ca_is_trusted_for_its_address(
    authority: Authority,
) -> None:
    server = server_context(authority.serving(LOCALHOST, node="n1"))
    tls = handshake(client_context(roots=authority.pem), server)
    assert tls.version() == "TLSv1.3"


def test_another_ca_another_name_and_a_common_name_are_refused(
    authority: Authority, stranger: Authority
) -> None:
    own, by_common_name = bare_authority(san=False)
    for roots, served, name in (
        (authority.pem, stranger.serving(LOCALHOST), LOCALHOST),
        (authority.pem, authority.serving("127.0.0.2", "other.example"), LOCALHOST),
        (own, by_common_name, "n1.example"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(client_context(roots=roots), server_context(served), name=name)


@pytest.mark.parametrize("days", [-3, 3])
def test_dates_are_judged_unless_the_caller_does(authority: Authority, days: int) -> None:
    middle = datetime.now(UTC) + timedelta(days=days)
    pair = authority.serving(
        LOCALHOST, not_before=middle - timedelta(days=1), not_after=middle + timedelta(days=1)
    )
    server = server_context(pair)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(roots=authority.pem), server)
    handshake(client_context(roots=authority.pem, check_time=False), server)


def test_without_verification_anybody_is_believed(stranger: Authority) -> None:
    server = server_context(stranger.serving("nowhere.example"))
    handshake(client_context(roots=None, verify=False), server)
    handshake(inspection_context(), server)


def test_an_intermediate_among_the_roots_ends_a_chain() -> None:
    root = trustme.CA()
    intermediate = root.create_child_ca()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    intermediate.issue_cert(LOCALHOST).configure_cert(server)
    client = client_context(roots=intermediate.cert_pem.bytes())
    handshake(client, server)


def test_certificates_without_key_identifiers_are_accepted_as_kubectl_does() -> None:
    """Python 3.13's own default context refuses them (VERIFY_X509_STRICT)."""
    ca, pair = bare_authority()
    handshake(client_context(roots=ca), server_context(pair))


def test_a_server_of_cbc_suites_only_is_understood(authority: Authority) -> None:
    """A kubelet's tlsCipherSuites may say so; Go's client speaks them, Python's own list leaves them out."""
    server = server_context(authority.serving(LOCALHOST))
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA")
    tls = handshake(client_context(roots=authority.pem), server)
    assert (tls.cipher() or ("",))[0].endswith("-AES128-SHA")


def test_rsa_of_1024_bits_is_accepted_as_go_does() -> None:
    """Where the distribution's OpenSSL wants 2048 (security level 2), as Debian's does."""
    ca, pair = bare_authority(rsa.generate_private_key(65537, 1024))
    server = server_context(pair, any_key=True)
    handshake(client_context(roots=ca), server)
    handshake(inspection_context(), server)


@pytest.mark.parametrize("client", ["client", "inspection"])
def test_tls_1_1_is_not_spoken(client: str) -> None:
    context = (
        inspection_context() if client == "inspection" else client_context(roots=None, verify=False)
    )
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_the_systems_roots_count_only_if_no_others_are_named(
    authority: Authority, stranger: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.pem"
    system.write_bytes(stranger.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    server = server_context(stranger.serving(LOCALHOST))
    handshake(client_context(roots=None), server)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(roots=authority.pem), server)
    assert client_context(roots=None, verify=False).cert_store_stats()["x509"] == 0


def test_a_keylog_in_the_environment_is_not_written(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    handshake(client_context(roots=authority.pem), server_context(authority.serving(LOCALHOST)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "roots",
    [
        b"",
        b"no PEM",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\x30\x03abc",
    ],
)
def test_roots_that_hold_no_certificate_are_refused_by_name(roots: bytes) -> None:
    with pytest.raises((X509Error, RootsError), match=r"/etc/ca\.crt"):
        client_context(roots=roots, where="/etc/ca.crt")


async def test_a_client_presents_its_certificate_if_it_is_asked(authority: Authority) -> None:
    ours = authority.client("system:admin", "system:masters")
    context = server_context(authority.serving(LOCALHOST), client_ca=authority.pem)
    async with ScriptedKubelet(Serve(context), SystemClock()) as kubelet:
        client = client_context(roots=authority.pem, pair=KeyPair(ours.chain, ours.key))
        reader, writer = await asyncio.open_connection(kubelet.host, kubelet.port, ssl=client)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
        await writer.wait_closed()
        [seen] = kubelet.seen
        assert seen.client_certificate is not None
        presented = x509.load_der_x509_certificate(seen.client_certificate)
        assert "system:admin" in presented.subject.rfc4514_string()


def bare_authority(key: rsa.RSAPrivateKey | None = None, *, san: bool = True) -> tuple[bytes, Pair]:
    """A CA and a leaf for 127.0.0.1 (with no SAN: for none) without subject and authority key identifiers, as old scripts make them."""
    ca_key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    life = (now - timedelta(days=1), now + timedelta(days=1))
    names = [x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOCALHOST))])] if san else []
    leaf = by_hand("n1.example", life, *names, key=key, by=("kubernetes", ca_key))
    return by_hand("kubernetes", life, CA, key=ca_key).chain, leaf


# The presented chain, on every Python, also of a peer that nobody can verify.


def test_where_python_hides_the_chain_the_leaf_is_shown() -> None:
    class Closed:
        def __init__(self, leaf: bytes | None) -> None:
            self._leaf = leaf

        def getpeercert(self, *, binary_form: bool) -> bytes | None:
            return self._leaf if binary_form else None

    assert presented(Closed(b"leaf")) == (b"leaf",)  # type: ignore[arg-type]
    assert presented(Closed(None)) == ()  # type: ignore[arg-type]


def test_before_a_handshake_nothing_was_presented() -> None:
    tls = inspection_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    assert presented(tls) == ()
