"""What a client may send from one request to the next: enough for whoever asks, and no more."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from unittest.mock import patch

import pytest

from kubevouch.serve import messages
from kubevouch.serve.listener import Listener
from kubevouch.serve.messages import HttpRequest, HttpResponse, text_response, values_by_name
from tests.serve.test_the_listener import connected, tls_of
from tests.support.apiservers import MOMENT
from tests.support.bombs import gzip_bomb
from tests.support.clocks import SteppedClock


async def _done(request: HttpRequest) -> HttpResponse:
    return text_response(f"{len(request.headers.get('x-remote-group', ()))} groups are done")


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener(_done, tls_of(), SteppedClock(MOMENT), host="127.0.0.1", port=0) as found:
        yield found


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\n", b"a%d: " + b"b" * 8000 + b"\r\n"),
        (b"", b"\r\n" * 4000),
    ],
    ids=["headers", "empty lines"],
)
async def test_who_sends_without_end_and_asks_nothing_is_cut_off_before_it_is_much(
    listener: Listener, begin: bytes, more: bytes
) -> None:
    """250 strangers had 400 MB of headers kept, a megabyte each."""
    async with connected(listener.port) as (_, writer):
        writer.write(begin)
        sent = 0
        while len(listener._connections) and sent < 3_000_000:
            piece = more.replace(b"%d", b"%d" % sent)
            writer.write(piece)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.1):
                    await writer.drain()
            await asyncio.sleep(0)
            sent += len(piece)
    assert 64_000 < sent < 300_000


async def test_a_body_that_nobody_reads_is_not_decompressed(listener: Listener) -> None:
    """Two hundred strangers with 53 KB each kept every probe out for half a minute."""
    bomb = gzip_bomb(50)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    spent: list[float] = []
    # The fastest of a few, in this thread's own time.
    while len(spent) < 3:
        async with connected(listener.port) as (reader, writer):
            began = time.thread_time()
            writer.write(head % len(bomb) + bomb)
            assert b"done" in await reader.readuntil(b"done")
            # The next request on this connection comes after the whole body.
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"done")
            spent.append(time.thread_time() - began)
    began = time.thread_time()
    zlib.decompressobj(wbits=31).decompress(bomb)
    assert min(spent) < (time.thread_time() - began) / 5, spent


async def test_somebody_may_have_hundreds_of_groups(listener: Listener) -> None:
    """The front proxy names each in a header of its own."""
    groups = b"".join(b"X-Remote-Group: oidc:team-%030d\r\n" % each for each in range(500))
    async with connected(listener.port) as (reader, writer):
        for _ in range(5):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + groups + b"\r\n")
            assert b"500 groups" in await reader.readuntil(b"done")


async def test_headers_and_query_are_read_when_somebody_looks() -> None:
    """A request has room for a thousand: with hundreds that wait for their turn, all others waited until all were read."""
    read: list[int] = []
    came, go = asyncio.Event(), asyncio.Event()

    def counted(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
        found = values_by_name(pairs)
        read.append(len(found))
        return found

    async def later(request: HttpRequest) -> HttpResponse:
        came.set()
        await go.wait()
        values = (request.header("a7"), request.query_value("b"), request.headers.get("a8"))
        return text_response(f"{values} {list(request.query)} {len(request.query)}")

    with patch.object(messages, "values_by_name", counted):
        async with (
            Listener(later, tls_of(), SteppedClock(MOMENT), host="127.0.0.1", port=0) as found,
            connected(found.port) as (reader, writer),
        ):
            headers = b"".join(b"A%d: %d\r\n" % (each, each) for each in range(500))
            writer.write(b"GET /?b=c&b=d HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n")
            await came.wait()
            assert read == []
            go.set()
            assert await reader.readuntil(b"('7', 'c', ('8',)) ['b'] 1")
    assert read == [501, 1]
