"""Bodies that are made while they are sent."""

import asyncio
import contextlib
import gc
import gzip
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from kubevouch.clock import Clock
from kubevouch.serve.access_gate import MAX_IN_FLIGHT, AccessGate
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import (
    LONG,
    Handler,
    HttpRequest,
    HttpResponse,
    accepts_gzip,
    response_in_pieces,
)
from kubevouch.serve.process import freeze_what_is_loaded
from tests.serve.test_the_listener import clock, connected, rest, tls
from tests.support.clocks import WoundClock

__all__ = ["clock", "tls"]

PIECE = bytes(range(256)) * 128


class Made:
    """Pieces, counted as they are made."""

    def __init__(self, most: int, *, fails: bool = False) -> None:
        self.most = most
        self.fails = fails
        self.made = 0
        self.closed = asyncio.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while self.made < self.most:
                self.made += 1
                yield PIECE
            if self.fails:
                raise ValueError("no more")
        finally:
            self.closed.set()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        return await response_in_pieces(request, self.pieces(), "text/plain")


@contextlib.asynccontextmanager
async def listening(made: Made, tls: object, clock: Clock) -> AsyncIterator[int]:
    async with Listener(made.answer, tls, clock, host="127.0.0.1", port=0) as found:  # type: ignore[arg-type]
        yield found.port


GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"


async def asked(made: Made, tls: object, clock: Clock, header: bytes = b"") -> tuple[bytes, bytes]:
    """Head and body of the answer."""
    async with listening(made, tls, clock) as port, connected(port) as (reader, writer):
        writer.write(GET % header)
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    return head, body


async def test_a_long_body_comes_in_chunks(tls: object, clock: Clock) -> None:
    made = Made(40)
    head, body = await asked(made, tls, clock)
    assert b"transfer-encoding: chunked" in head.lower()
    assert _joined(body) == PIECE * 40


async def test_gzip_is_sent_to_who_accepts_it(tls: object, clock: Clock) -> None:
    made = Made(40)
    head, body = await asked(made, tls, clock, b"Accept-Encoding: deflate, gzip\r\n")
    assert b"content-encoding: gzip" in head.lower()
    assert b"vary: accept-encoding" in head.lower()
    assert len(body) < len(PIECE)
    assert gzip.decompress(_joined(body)) == PIECE * 40


async def test_no_more_is_made_than_a_slow_client_takes(tls: object, clock: Clock) -> None:
    """Else whoever asks for a long list and reads nothing of it has the server hold all of it."""
    made = Made(4000)  # 128 MiB
    async with listening(made, tls, clock) as port:
        async with connected(port) as (reader, writer):
            writer.write(GET % b"")
            await reader.readexactly(1)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            before = -1
            while before < made.made:
                before = made.made
                for _ in range(50):
                    await asyncio.sleep(0.001)
            assert made.made < 1000
            writer.transport.abort()
        await made.closed.wait()


async def test_an_error_in_the_middle_is_an_end_without_the_last_chunk(
    tls: object, clock: Clock
) -> None:
    made = Made(40, fails=True)
    _, body = await asked(made, tls, clock)
    assert not body.endswith(b"0\r\n\r\n")
    assert made.closed.is_set()


async def test_what_is_not_asked_for_is_not_made(tls: object, clock: Clock) -> None:
    made = Made(4000)
    async with listening(made, tls, clock) as port, connected(port) as (reader, writer):
        writer.write((GET % b"").replace(b"GET", b"HEAD"))
        assert (await rest(reader)).endswith(b"\r\n\r\n")
    assert made.made * len(PIECE) <= LONG + len(PIECE)


@pytest.mark.parametrize("count", [0, 1, 4, 5])
@pytest.mark.parametrize("threshold", [0, LONG])
async def test_short_bodies_are_whole(count: int, threshold: int) -> None:
    """apiserver compresses what is longer than 128 KiB, Prometheus' handler everything."""
    request = HttpRequest("GET", "/", {}, {"accept-encoding": ("gzip",)})
    answer = await response_in_pieces(request, Made(count).pieces(), compress_from=threshold)
    size = count * len(PIECE)
    assert (answer.rest is None) is (size <= LONG)
    assert ("Content-Encoding" in answer.headers) is (size > threshold)
    whole = answer.body
    if answer.rest is not None:
        whole += b"".join([piece async for piece in answer.rest])
    if "Content-Encoding" in answer.headers:
        whole = zlib.decompress(whole, 31)
    assert whole == PIECE * count


ENCODINGS = {
    "": False,
    "gzip": True,
    "deflate, gzip": True,
    "deflate , gzip ": True,
    "*": False,
    "gzip;q=1": False,
    "identity": False,
}


@pytest.mark.parametrize("header", ENCODINGS)
def test_encodings_are_read_as_by_apiserver(header: str) -> None:
    request = HttpRequest("GET", "/", {}, {"accept-encoding": (header,)})
    assert accepts_gzip(request) is ENCODINGS[header]


def test_what_is_loaded_is_collected_no_more() -> None:
    before = gc.get_freeze_count()
    try:
        freeze_what_is_loaded()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


class Everybody:
    """An authenticator and authorizer that have nothing to ask."""

    async def authenticate(self, request: HttpRequest) -> object:
        return request.user

    def is_front_proxy(self, _certificates: object) -> bool:
        return False

    def lets_everybody(self, _attributes: object) -> bool:
        return False

    async def refusal(self, _user: object, _attributes: object, *, first: bool) -> None:
        return None


def open_gate(answer: Handler, write: Callable[[str], None], **limits: int) -> AccessGate:
    everybody: Any = Everybody()
    log = Log(write, WoundClock(), verbosity=3)
    return AccessGate(everybody, everybody, {"/": answer}, log, WoundClock(), **limits)


@pytest.mark.parametrize("read", [True, False])
async def test_a_request_is_in_flight_until_its_body_is_sent(*, read: bool) -> None:
    gate = open_gate(lambda request: Made(10).answer(request), lambda _: None)
    request = HttpRequest("GET", "/")
    open_ = [await gate.answer(request) for _ in range(MAX_IN_FLIGHT)]
    assert (await gate.answer(request)).code == 429
    one = open_[0].rest
    assert one is not None
    if read:
        assert len([piece async for piece in one]) == 5
    assert (await gate.answer(request)).code == 429
    await one.aclose()
    await one.aclose()
    assert (await gate.answer(request)).code == 200
    assert (await gate.answer(request)).code == 429


async def test_a_request_whose_answer_is_not_completed_is_in_flight_no_more() -> None:
    """An answer is logged after its handler has begun a body that nobody would have closed."""
    made, broken = list[Made](), [True]

    async def answer(request: HttpRequest) -> HttpResponse:
        made.append(Made(10))
        return await made[-1].answer(request)

    def write(_: str) -> None:
        if broken:
            raise ValueError("of a test")

    gate = open_gate(answer, write, most_in_flight=1)
    for _ in range(2):
        assert (await gate.answer(HttpRequest("GET", "/"))).code == 500
        assert made[-1].closed.is_set()
    broken.clear()
    assert (await gate.answer(HttpRequest("GET", "/"))).code == 200


def _joined(chunked: bytes) -> bytes:
    body = b""
    while chunked:
        size, _, chunked = chunked.partition(b"\r\n")
        length = int(size, 16)
        body += chunked[:length]
        chunked = chunked[length + 2 :]
    return body
