"""Bytes on the wire: what is not HTTP, what never ends, what is too much, and how it stops."""

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from kubevouch.serve.connections import ConnectionLimits
from kubevouch.serve.listener import Listener, ListenError
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response, values_by_name
from kubevouch.tls.io.context import KeyPair
from kubevouch.tls.io.server import ServerConnection, ServerTls, server_context
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import client_context
from tests.support.unhurried import GENEROUS, until

AUTHORITY = Authority("served")


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.slowly = asyncio.Event()
        self.go = asyncio.Event()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.asked.set()
        if request.path == "/slow":
            self.slowly.set()
            await self.go.wait()
        return text_response("done")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(MOMENT)


def tls_of(roots: bytes = b"") -> ServerTls:
    pair = AUTHORITY.serving("127.0.0.1")
    return ServerTls(
        server_context(KeyPair(pair.chain, pair.key), client_roots=roots, where="test")
    )


@pytest.fixture
def tls() -> ServerTls:
    return tls_of()


class Place:
    """Where one listens, with a handler that answers when it is told to."""

    def __init__(self, tls: ServerTls, clock: SteppedClock) -> None:
        self.slow = Slow()
        self.tls = tls
        self.clock = clock

    def listener(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Listener:
        return Listener(self.slow.answer, self.tls, self.clock, host=host, port=port, **options)

    def limited(self, **limits: Any) -> Listener:
        return self.listener(limits=ConnectionLimits(**limits))


@pytest.fixture
async def place(tls: ServerTls, clock: SteppedClock) -> Place:
    return Place(tls, clock)


@pytest.fixture
async def port(place: Place) -> AsyncIterator[int]:
    async with place.limited(idle=30.0, patience=30.0) as found:
        yield found.port


@contextlib.asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = client_context(AUTHORITY.pem)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(GENEROUS):
        try:
            return await reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""


async def test_nothing_says_what_it_is_made_of(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    assert body == b"done"
    assert b"server" not in head.lower()
    assert b"aiohttp" not in head.lower()


@pytest.mark.parametrize(
    "bytes_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n"]
)
async def test_what_is_no_http_is_a_400_and_the_end(port: int, place: Place, bytes_: bytes) -> None:
    async with connected(port) as (reader, writer):
        writer.write(bytes_)
        answer = await rest(reader)
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"431"}
    assert not place.slow.asked.is_set()


async def test_of_a_name_that_is_not_ascii_nothing_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python printed seven lines into the log for each ClientHello of a stranger; what else it cannot raise it goes on to print."""
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    async with place.listener() as listener:
        for name in (b"\xc3\xa9\x1b[2Jxxxx.bbbb", b"aaaaaaaaaa.bbbb"):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(_hello("aaaaaaaaaa.bbbb").replace(b"aaaaaaaaaa.bbbb", name))
            answered = bool(await reader.read(1) == b"\x16")
            assert answered is name.isascii()
            writer.close()
    assert heard == []
    other = SimpleNamespace(exc_value=ValueError("of a test"), err_msg=None, object=None)
    sys.unraisablehook(other)
    assert heard == [other]


def _hello(name: str) -> bytes:
    """The first bytes of a client that asks for this name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = client_context(AUTHORITY.pem)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


async def test_who_expects_what_nobody_knows_is_told_so_once(port: int, place: Place) -> None:
    """The HTTP library says so before anybody has a turn: 240 strangers with 1,500 such requests each held everybody up."""
    async with connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n" * 3)
        answer = await rest(reader)
    assert answer.count(b"HTTP/1.1 417 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert not place.slow.asked.is_set()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"])
@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_who_never_finishes_to_ask_is_cut_off(
    port: int, place: Place, first: bytes, begun: bytes
) -> None:
    async with connected(port) as (reader, writer):
        writer.write(first + begun)
        if first:
            assert b"done" in await reader.readuntil(b"done")
        ending = asyncio.create_task(rest(reader))
        for _ in range(5):
            await place.clock.pass_(10)
        assert await ending == b""


ASKING = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Asks, and reads the answer."""
    writer.write(ASKING)
    assert b"done" in await reader.readuntil(b"done")


async def test_one_connection_too_many_ends_the_one_that_is_quiet_for_longest(place: Place) -> None:
    """Else whoever opens as many as there may be, and asks no more, keeps everybody out."""
    async with place.limited(known=2) as listener:
        port = listener.port
        async with connected(port) as (first, early), connected(port) as (second, asking):
            await answered(first, early)
            await place.clock.pass_(1)
            await answered(second, asking)
            async with connected(port) as (third, more):
                await answered(third, more)
                assert await rest(first) == b""
                await answered(second, asking)


async def test_where_all_known_are_being_answered_one_too_many_gets_an_answer(
    place: Place,
) -> None:
    async with (
        place.limited(known=1) as listener,
        connected(listener.port) as (reader, writer),
    ):
        await answered(reader, writer)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await place.slow.slowly.wait()
        async with connected(listener.port) as (other, more):
            more.write(ASKING)
            assert (await rest(other)).endswith(b"done")
        place.slow.go.set()
        assert (await rest(reader)).endswith(b"done")


@contextlib.asynccontextmanager
async def silent(port: int, address: str) -> AsyncIterator[asyncio.StreamReader]:
    """A stranger, who opens a connection from an address of this machine's, and says nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield reader
    finally:
        writer.close()


async def test_handshakes_that_never_end_are_few_and_keep_nobody_out(place: Place) -> None:
    """A stranger needs nothing but a socket to begin one."""
    async with (
        place.limited(strangers=3) as listener,
        contextlib.AsyncExitStack() as open_,
    ):
        port = listener.port
        found = [await open_.enter_async_context(silent(port, "127.0.0.1")) for _ in range(6)]
        async with connected(port) as (other, more):
            await answered(other, more)
        assert [await rest(each) for each in found[:4]] == [b""] * 4
        assert not any(each.at_eof() for each in found[4:])


async def test_an_api_server_may_come_with_all_its_requests_at_once(place: Place) -> None:
    """As when another replica ends: over HTTP/1.1 each request in flight has a connection of its own."""

    async def asked(port: int) -> bytes:
        async with connected(port) as (reader, writer):
            writer.write(ASKING)
            return await reader.readuntil(b"done")

    async with place.listener() as listener:
        answers = await asyncio.gather(*(asked(listener.port) for _ in range(100)))
    assert len(answers) == 100


async def test_whom_a_certificate_makes_known_is_not_pushed_out_by_strangers(place: Place) -> None:
    """The API server's aggregator: it comes with the front proxy's certificate, and keeps its connections."""
    place.tls = tls_of(AUTHORITY.pem)
    context = client_context(AUTHORITY.pem, AUTHORITY.client("front-proxy-client"))
    async with (
        place.limited(strangers=4, patience=6.0) as listener,
        contextlib.AsyncExitStack() as open_,
    ):
        port = listener.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        open_.callback(writer.transport.abort)
        found = [
            await open_.enter_async_context(silent(port, f"127.0.0.{10 + each}"))
            for each in range(20)
        ]
        assert [await rest(each) for each in found[:16]] == [b""] * 16
        for _ in range(4):
            await place.clock.pass_(3)
        assert [await rest(each) for each in found] == [b""] * 20
        for _ in range(2):
            await answered(reader, writer)


async def test_whom_nobody_answered_in_time_has_not_shown_who_it_is(place: Place) -> None:
    """Its connection ends, and does not become a known client's."""
    async with (
        place.listener(drain=5.0, request_timeout=0.1) as listener,
        connected(listener.port) as (reader, writer),
    ):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await rest(reader)).startswith(b"HTTP/1.1 504 ")


def test_what_a_request_repeats_costs_no_more_than_its_length() -> None:
    """A stranger's query has room for 4,000 values of one name, which is read before anybody asks who it is."""
    texts = tuple(map(str, range(50_000)))
    began = time.thread_time()
    values = values_by_name([("a", text) for text in texts])
    # Value by value, as a longer and longer tuple, it took ten seconds.
    assert time.thread_time() - began < 1.0
    assert values == {"a": texts}


async def test_a_connection_without_a_request_takes_little_memory(place: Place) -> None:
    """asyncio's own TLS takes a quarter of a megabyte for each; 512 of them made 157 MB."""
    context, some = client_context(AUTHORITY.pem), 20

    def dialled() -> list[ssl.SSLSocket]:
        return [
            context.wrap_socket(
                socket.create_connection(("127.0.0.1", listener.port), 30),
                server_hostname="127.0.0.1",
            )
            for _ in range(some)
        ]

    async with place.listener() as listener:
        for each in await asyncio.to_thread(dialled):
            each.close()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            opened = await asyncio.to_thread(dialled)
            used = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert used / some < 64 * 1024
        for each in opened:
            each.close()


async def test_a_connection_on_which_nothing_was_said_takes_next_to_nothing(place: Place) -> None:
    """Neither TLS nor HTTP is there before the client has begun to speak, and nothing is left of it when it goes."""
    others = len(_handlers())
    async with place.listener() as listener:
        async with contextlib.AsyncExitStack() as open_:
            for _ in range(20):
                await open_.enter_async_context(silent(listener.port, "127.0.0.1"))
            async with connected(listener.port) as (reader, writer):
                await answered(reader, writer)
                assert len(_handlers()) - others == 1
        await until(lambda: len(_handlers()) == others)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHo", ASKING])
async def test_those_who_came_and_went_wait_for_no_garbage_collector(
    place: Place, said: bytes
) -> None:
    """A probe comes each second, and each would leave its buffers; and what is frozen meanwhile is never collected."""
    async with place.listener() as listener:
        gc.collect()
        before = _left_of_connections()
        gc.disable()
        try:
            for _ in range(5):
                async with connected(listener.port) as (reader, writer):
                    writer.write(said)
                    if said == ASKING:
                        assert b"done" in await reader.readuntil(b"done")
            await until(lambda: _left_of_connections() <= before)
        finally:
            gc.enable()


def _left_of_connections() -> int:
    return sum(
        isinstance(each, (ServerConnection, web.RequestHandler)) for each in gc.get_objects()
    )


def _handlers() -> list[web.RequestHandler]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, web.RequestHandler)]


async def test_old_tls_is_refused(port: int) -> None:
    context = client_context(AUTHORITY.pem)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has one family only")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
async def test_every_address_is_that_of_both_families(place: Place, host: str) -> None:
    """As in a program of Go: the kubelet of an IPv6-only cluster probes a pod at the only address that it has."""
    context = client_context(AUTHORITY.pem)
    context.check_hostname = False
    async with place.listener(host=host) as listener:
        for address in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(address, listener.port, ssl=context)
            writer.transport.abort()


async def test_where_there_is_no_ipv6_every_address_is_that_of_ipv4(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel with ipv6.disable=1, which a test cannot boot, has no such sockets."""
    create = socket.create_server

    def without_ipv6(address: object, *, family: int = socket.AF_INET, **more: Any) -> object:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(address, family=family, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    async with place.listener(host="0.0.0.0") as listener:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=client_context(AUTHORITY.pem)
        )
        writer.transport.abort()


async def test_a_port_that_is_taken_is_named(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        listener = place.listener(port=port)
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
            await listener.__aenter__()
