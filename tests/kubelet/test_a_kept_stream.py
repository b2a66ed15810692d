"""A TLS stream takes what its peer sends when somebody waits for it, and at no other time."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from kubevouch.kubelet.io.stream import TlsStream, send_all
from kubevouch.tls.io.context import client_context
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.unhurried import GENEROUS

ADDRESS = "127.0.0.1"

Ends = tuple[TlsStream, socket.socket, Callable[[bytes], None]]


@pytest.fixture
def ends(authority: Authority) -> Iterator[Ends]:
    """A stream, its own socket, and a function by which its peer sends."""
    incoming, outgoing, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    context = client_context(roots=authority.pem)
    client = context.wrap_bio(incoming, outgoing, server_hostname=ADDRESS)
    pair = authority.serving(ADDRESS, node="n1")
    server = server_context(pair).wrap_bio(server_in, server_out, server_side=True)
    for end in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        server_in.write(outgoing.read())
        incoming.write(server_out.read())
    own, peer = socket.socketpair()
    own.setblocking(False)

    def send(data: bytes) -> None:
        server.write(data)
        peer.sendall(server_out.read())

    with peer, contextlib.closing(TlsStream(own, client, incoming, outgoing)) as stream:
        yield stream, own, send


async def turns_of_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_nobody_waits_for_stays_in_the_socket_and_wakes_nobody(ends: Ends) -> None:
    stream, own, send = ends
    async with asyncio.timeout(GENEROUS):
        for number in range(5):
            waiting = asyncio.create_task(stream.receive())
            await turns_of_the_loop()
            assert not waiting.done()
            send(b"page %d" % number)
            assert await waiting == b"page %d" % number
        send(b"unasked")
        await turns_of_the_loop()
        assert own.recv(1, socket.MSG_PEEK)
        is_watched = asyncio.get_running_loop().remove_reader(own)
        assert not is_watched
        assert await stream.receive() == b"unasked"


async def test_a_peer_that_has_always_sent_more_leaves_others_a_turn(ends: Ends) -> None:
    stream, _, send = ends
    for _ in range(8):
        send(b"x" * 16_000)
    received, turns = 0, 0

    async def take() -> None:
        nonlocal received
        while received < 8 * 16_000:
            received += len(await stream.receive())

    taking = asyncio.create_task(take())
    async with asyncio.timeout(GENEROUS):
        while not taking.done():
            await asyncio.sleep(0)
            turns += 1
    assert turns > 7


async def test_whoever_stopped_waiting_has_taken_nothing(ends: Ends) -> None:
    stream, _, send = ends
    async with asyncio.timeout(GENEROUS):
        waiting = asyncio.create_task(stream.receive())
        await turns_of_the_loop()
        waiting.cancel()
        await asyncio.wait([waiting])
        send(b"late")
        await turns_of_the_loop()
        assert await stream.receive() == b"late"


async def test_a_closed_stream_is_watched_no_longer(ends: Ends) -> None:
    stream, own, _ = ends
    waiting = asyncio.create_task(stream.receive())
    await turns_of_the_loop()
    waiting.cancel()
    await asyncio.wait([waiting])
    descriptor = own.fileno()
    stream.close()
    is_watched = asyncio.get_running_loop().remove_reader(descriptor)
    assert not is_watched


async def test_what_does_not_fit_into_the_socket_is_sent_as_soon_as_there_is_room() -> None:
    own, peer = socket.socketpair()
    data = bytes(range(256)) * 20_000
    outgoing = ssl.MemoryBIO()
    outgoing.write(data)
    loop = asyncio.get_running_loop()
    with own, peer:
        own.setblocking(False)
        peer.setblocking(False)
        async with asyncio.timeout(GENEROUS):
            sending = asyncio.create_task(send_all(own, outgoing))
            await turns_of_the_loop()
            assert not sending.done()
            received = b""
            while len(received) < len(data):
                received += await loop.sock_recv(peer, 1 << 20)
            await sending
    assert received == data
