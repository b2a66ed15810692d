"""Nothing is said to a peer that has not passed the check. The judge is the peer: what did it get?"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest

from kubevouch.system_clock import SystemClock
from kubevouch.tls import FailureKind
from kubevouch.tls.io.accidents import Attempt, failure_of
from kubevouch.tls.io.context import client_context
from kubevouch.tls.io.identity import Check, IdentityRefused, vouch_first
from kubevouch.x509 import X509Error, node_name_of, read_certificate_der
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import ScriptedKubelet, Serve
from tests.support.unhurried import until

ADDRESS = "127.0.0.1"


@pytest.fixture
async def kubelet(authority: Authority) -> AsyncIterator[ScriptedKubelet]:
    context = server_context(authority.serving(ADDRESS, node="n1"))
    serve = Serve(context, {"/metrics/resource": (200, b"node_cpu_usage_seconds_total 1\n")})
    async with ScriptedKubelet(serve, SystemClock()) as running:
        yield running


def node(name: str) -> Check:
    def check(peer: tuple[bytes, ...]) -> None:
        found = node_name_of(read_certificate_der(peer[0], "peer"))
        if found != name:
            raise IdentityRefused(
                ADDRESS, f"the certificate of node {found}", f"{name} was dialled"
            )

    return check


def vouching(authority: Authority, check: Check) -> ssl.SSLContext:
    context = client_context(roots=authority.pem)
    vouch_first(context)
    own = {"check_peer": staticmethod(check)}
    context.sslobject_class = type("Vouched", (context.sslobject_class,), own)
    return context


async def ask(kubelet: ScriptedKubelet, context: ssl.SSLContext) -> str:
    """One request with a token, by aiohttp."""
    url = f"https://{ADDRESS}:{kubelet.port}/metrics/resource"
    headers = {"Authorization": "Bearer secret"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=context, headers=headers) as answer,
    ):
        return await answer.text()


async def gone(kubelet: ScriptedKubelet) -> None:
    """Until the kubelet has seen the end of every connection."""
    await until(lambda: not kubelet.open)


async def test_the_right_node_gets_the_request(
    kubelet: ScriptedKubelet, authority: Authority
) -> None:
    assert "node_cpu" in await ask(kubelet, vouching(authority, node("n1")))
    assert b"Bearer secret" in kubelet.sent


async def test_another_node_gets_not_one_byte_from_aiohttp(
    kubelet: ScriptedKubelet, authority: Authority
) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await ask(kubelet, vouching(authority, node("n2")))
    await gone(kubelet)
    assert len(kubelet.seen) == 1
    assert kubelet.sent == b""
    failure = failure_of(caught.value, Attempt(f"{ADDRESS}:{kubelet.port}"))
    assert failure.kind is FailureKind.WRONG_IDENTITY
    assert "the certificate of node n1; n2 was dialled" in failure.text


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ZeroDivisionError(), "raised an unexpected error"),
        (X509Error("peer", "no certificate"), "peer: no cert"),
    ],
)
async def test_a_check_that_fails_itself_lets_nobody_in(
    kubelet: ScriptedKubelet, authority: Authority, error: Exception, why: str
) -> None:
    def broken(_: tuple[bytes, ...]) -> None:
        raise error

    with pytest.raises(IdentityRefused, match=why) as caught:
        await asyncio.open_connection(ADDRESS, kubelet.port, ssl=vouching(authority, broken))
    assert caught.value.__cause__ is error
    await gone(kubelet)
    assert kubelet.sent == b""


async def test_a_peer_that_openssl_refuses_is_never_put_to_the_check(
    kubelet: ScriptedKubelet, stranger: Authority
) -> None:
    def surprised(_: tuple[bytes, ...]) -> None:
        raise AssertionError

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(ADDRESS, kubelet.port, ssl=vouching(stranger, surprised))


async def test_each_connection_is_checked_once_and_sees_the_whole_chain(
    kubelet: ScriptedKubelet, authority: Authority
) -> None:
    seen: list[tuple[bytes, ...]] = []
    context = vouching(authority, seen.append)
    for _ in range(2):
        await ask(kubelet, context)
    assert len(seen) == 2
    assert all(seen)


def test_a_write_or_a_read_before_the_check_is_refused(authority: Authority) -> None:
    """OpenSSL would shake hands within them, past the check."""
    context = vouching(authority, lambda _: None)
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=ADDRESS)
    with pytest.raises(IdentityRefused):
        tls.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(IdentityRefused):
        tls.read(1)
    assert outgoing.pending == 0


def test_blocking_sockets_are_refused_rather_than_left_unchecked(authority: Authority) -> None:
    context = vouching(authority, lambda _: None)
    with socket.socket() as plain, pytest.raises(TypeError):
        context.wrap_socket(plain, server_hostname=ADDRESS)


async def test_a_context_without_a_check_is_not_changed_by_one_with(
    kubelet: ScriptedKubelet, authority: Authority
) -> None:
    vouching(authority, node("n2"))
    assert "node_cpu" in await ask(kubelet, client_context(roots=authority.pem))
