"""What one kubelet presents: told exactly, with no credential and no byte of HTTP."""

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme

from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.system_clock import SystemClock
from kubevouch.tls import FailureKind
from kubevouch.x509.bundle import MOST_CERTIFICATES
from tests.support.authority import Authority, Pair
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import NO_CERTIFICATE, ScriptedKubelet, Serve
from tests.support.unhurried import until


async def one(target: Target, clock: SystemClock, timeout: float = 20.0) -> DialResult:
    [answer] = await dial_all([target], clock=clock, timeout=timeout)
    return answer


async def presented(context: ssl.SSLContext, clock: SystemClock) -> DialResult:
    """What is seen of a kubelet that serves so."""
    async with ScriptedKubelet(Serve(context), clock) as kubelet:
        return await one(Target(kubelet.host, port=kubelet.port), clock)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


NO_IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=NO_IPV6)])
async def test_chain_version_and_suite_are_told(
    host: str, serving: ssl.SSLContext, clock: SystemClock
) -> None:
    before = datetime.now(UTC)
    async with ScriptedKubelet(Serve(serving), clock, host=host) as kubelet:
        target = Target(host, node="n1", port=kubelet.port)
        answer = await one(target, clock)
    assert answer.failure is None
    assert answer.target is target
    assert answer.leaf is not None
    assert "system:node:n1" in str(answer.leaf.subject)
    assert answer.tls_version == "TLSv1.3"
    assert answer.cipher.startswith("TLS_")
    assert answer.remote == str(target)
    assert before <= answer.at <= datetime.now(UTC)
    assert answer.elapsed > 0


async def test_tls_1_2_is_told(authority: Authority, clock: SystemClock) -> None:
    context = server_context(authority.serving("127.0.0.1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    answer = await presented(context, clock)
    assert (answer.failure, answer.tls_version) == (None, "TLSv1.2")


async def test_nothing_is_sent_and_the_end_is_polite(
    serving: ssl.SSLContext, clock: SystemClock
) -> None:
    """A kubelet logs a line for every handshake that breaks off, and none for one that ends so."""
    async with ScriptedKubelet(Serve(serving), clock) as kubelet:
        await one(Target(kubelet.host, port=kubelet.port), clock)
        await until(lambda: not kubelet.open)
        [seen] = kubelet.seen
        assert bytes(seen.sent) == b""
        assert seen.client_certificate is None
        assert seen.shook_hands
        assert seen.said_goodbye


async def test_an_expired_certificate_of_nobodys_ca_is_shown_all_the_same(
    clock: SystemClock,
) -> None:
    """The seed's state: self-signed, no IP SAN, long over."""
    pair = Authority("n1-ca@1759196659").serving(
        "n1",
        not_before=datetime(2024, 1, 1, tzinfo=UTC),
        not_after=datetime(2025, 1, 1, tzinfo=UTC),
    )
    answer = await presented(server_context(pair), clock)
    assert answer.failure is None
    assert answer.leaf is not None
    assert answer.leaf.not_after == datetime(2025, 1, 1, tzinfo=UTC)


async def test_the_chain_comes_in_the_order_it_was_sent(clock: SystemClock) -> None:
    intermediate = trustme.CA().create_child_ca()
    leaf = intermediate.issue_cert("n1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    answer = await presented(context, clock)
    sent = [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in leaf.cert_chain_pems]
    assert [certificate.der for certificate in answer.chain] == sent


async def test_a_kubelet_gets_its_certificate_while_it_runs(
    serving: ssl.SSLContext, clock: SystemClock
) -> None:
    async with ScriptedKubelet(NO_CERTIFICATE, clock) as kubelet:
        target = Target(kubelet.host, port=kubelet.port)
        dark = await one(target, clock)
        kubelet.behaviour = Serve(serving)
        bright = await one(target, clock)
    assert dark.failure is not None
    assert str(dark.failure.alert) == "internal_error(80)"
    assert dark.chain == ()
    assert bright.failure is None


@pytest.mark.parametrize(
    ("address", "server_name", "sent"),
    [
        ("127.0.0.1", "", None),
        ("localhost", "", "localhost"),
        ("127.0.0.1", "n1.example", "n1.example"),
    ],
)
async def test_an_address_is_dialled_without_a_name_and_a_name_with_it(
    address: str, server_name: str, sent: str | None, authority: Authority, clock: SystemClock
) -> None:
    names: list[str | None] = []
    context = server_context(authority.serving("127.0.0.1"))
    context.sni_callback = lambda _tls, name, _context: names.append(name)
    async with ScriptedKubelet(Serve(context), clock) as kubelet:
        answer = await one(Target(address, port=kubelet.port, server_name=server_name), clock)
    assert answer.failure is None
    assert names == [sent]


async def test_of_a_chain_no_more_is_read_than_reading_takes_a_moment(clock: SystemClock) -> None:
    """A stranger's certificate with as many names as a handshake has room for would be read for a third of a second."""
    names = [f"n{number}.example" for number in range(4_000)]
    long = Authority().serving(*names)
    short = Authority().serving("127.0.0.1")
    short = replace(short, chain=short.chain + long.chain)
    async with ScriptedKubelet(Serve(server_context(long)), clock) as kubelet:
        answer = await one(Target(kubelet.host, port=kubelet.port), clock)
        assert answer.failure is not None
        assert answer.failure.kind is FailureKind.UNREADABLE_CERTIFICATE
        assert re.search(
            r"certificate from server: [0-9]{5} bytes, over the limit of 16384",
            answer.failure.go_text,
        )
        assert answer.chain == ()
        kubelet.behaviour = Serve(server_context(short))
        answer = await one(Target(kubelet.host, port=kubelet.port), clock)
    assert answer.failure is None
    assert len(answer.chain) == 1


def with_negative_serial(pair: Pair) -> Pair:
    der = bytearray(ssl.PEM_cert_to_DER_cert(pair.chain.decode()))
    # Certificate, TBSCertificate, [0] version 3, then the serial's INTEGER: two headers of four bytes, five of version.
    at = 4 + 4 + 5
    assert der[at] == 0x02
    der[at + 2] |= 0x80
    return Pair(ssl.DER_cert_to_PEM_cert(bytes(der)).encode(), pair.key)


@pytest.mark.parametrize(
    ("shown", "kind", "read"),
    [
        # OpenSSL takes a negative serial number; Go's client breaks off.
        (lambda pair, _: with_negative_serial(pair), FailureKind.UNREADABLE_CERTIFICATE, 0),
        (lambda pair, ca: Pair(pair.chain + ca * (MOST_CERTIFICATES + 4), pair.key), None, MOST_CERTIFICATES),
        (lambda pair, ca: Pair(pair.chain + ca * 400, pair.key), FailureKind.BROKEN, 0),
    ],
    ids=["Go cannot read it", "a long chain is read in part", "a huge chain is broken off"],
)  # fmt: skip
async def test_a_chain_that_is_too_long_or_that_go_cannot_read(
    authority: Authority,
    clock: SystemClock,
    shown: Callable[[Pair, bytes], Pair],
    kind: FailureKind | None,
    read: int,
) -> None:
    pair = shown(authority.serving("127.0.0.1"), authority.pem)
    answer = await presented(server_context(pair), clock)
    assert (answer.failure and answer.failure.kind, len(answer.chain)) == (kind, read)
    if answer.failure and kind is FailureKind.UNREADABLE_CERTIFICATE:
        expected = "tls: failed to parse certificate from server: x509: negative serial number"
        assert answer.failure.go_text == expected
