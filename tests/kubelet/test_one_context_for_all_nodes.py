"""All nodes share a TLS context, and nothing that one of them proved counts for another, or for itself the next time."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.fetch import FetchFailed, KubeletClient
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.kubelet.io.trust import KubeletRoots, KubeletTrust
from kubevouch.system_clock import SystemClock
from kubevouch.tls.io.identity import IdentityRefused
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.many_tickets import many_tickets
from tests.support.scripted.kubelet import ScriptedKubelet, Serve

ADDRESS = "127.0.0.1"
PATH = "/metrics/resource"
TOKEN = "Bearer the-token-of-metrics-server"


def client(trust: KubeletTrust, port: int, node: str) -> KubeletClient:
    target = Target(ADDRESS, node, port)
    return KubeletClient(target, trust, clock=SystemClock(), names=NameResolver(SystemClock()))


async def page(asked: KubeletClient) -> bytes:
    with contextlib.closing(asked):
        return await asked.page(PATH, TOKEN, timeout=30, most=1024)


async def test_each_connection_is_verified_for_its_own_node(authority: Authority) -> None:
    """Also between connections to the very same port, whose server would go on with an earlier session."""
    trust = KubeletTrust(KubeletRoots(authority.pem))
    serve = Serve(server_context(authority.serving(ADDRESS, node="n1")), {PATH: (200, b"a page")})
    async with ScriptedKubelet(serve, SystemClock()) as running:
        for _ in range(3):
            assert await page(client(trust, running.port, "n1")) == b"a page"
            with pytest.raises(FetchFailed, match="belongs to node n1, not to node n2"):
                await page(client(trust, running.port, "n2"))
        assert len(running.seen) == 6
        assert running.sent.count(b"Bearer") == 3
        assert [bool(each.sent) for each in running.seen] == [True, False] * 3
        assert not any(each.resumed for each in running.seen)


async def test_the_server_of_this_test_would_resume_a_session(authority: Authority) -> None:
    """Without that, the test above would show nothing."""
    serve = Serve(server_context(authority.serving(ADDRESS, node="n1")), {PATH: (200, b"a page")})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem.decode())

    def ask(session: ssl.SSLSession | None, port: int) -> ssl.SSLSession | None:
        with (
            socket.create_connection((ADDRESS, port)) as plain,
            context.wrap_socket(plain, server_hostname=ADDRESS, session=session) as tls,
        ):
            tls.sendall(b"GET /metrics/resource HTTP/1.1\r\n\r\n")
            assert tls.recv(1024)
            return tls.session

    async with ScriptedKubelet(serve, SystemClock()) as running:
        session = await asyncio.to_thread(ask, None, running.port)
        await asyncio.to_thread(ask, session, running.port)
        assert [each.resumed for each in running.seen] == [False, True]


def test_a_connection_that_nobody_said_a_node_for_is_refused(authority: Authority) -> None:
    trust = KubeletTrust(KubeletRoots(authority.pem))
    server = server_context(authority.serving(ADDRESS, node="n1"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = trust.verifying.wrap_bio(to_client, to_server, server_hostname=ADDRESS)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    with contextlib.suppress(ssl.SSLWantReadError):
        ours.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        theirs.do_handshake()
    with pytest.raises(IdentityRefused, match="without an identity check"):
        ours.do_handshake()
    with pytest.raises(IdentityRefused):
        ours.write(b"GET / HTTP/1.1\r\n")


# What TLS takes without handing anything over (session tickets, key updates) holds nobody up, and is not taken for ever.


async def test_a_kubelet_that_sends_nothing_but_session_tickets_fails_and_holds_nobody_up(
    authority: Authority, tmp_path: Path
) -> None:
    turns = 0
    context = server_context(authority.serving(ADDRESS, node="n1"))
    with many_tickets(context, tmp_path) as port:
        kubelet = client(KubeletTrust(KubeletRoots(authority.pem)), port, "n1")
        with contextlib.closing(kubelet):
            fetching = asyncio.create_task(kubelet.page(PATH, TOKEN, timeout=60, most=1 << 20))
            while not fetching.done():
                await asyncio.sleep(0)
                turns += 1
            with pytest.raises(FetchFailed, match="tls: too many ignored records") as failed:
                await fetching
    assert failed.value.reason == "no-answer"
    # Each piece that was taken left the others a turn: 128 KiB are eight of them at least.
    assert turns > 8
