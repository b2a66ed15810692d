"""A response is read the same however it is cut into pieces, and hostile bytes end in an error, never in a wait."""

import contextlib
import gzip
import itertools
import random
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch.kubelet.response import ResponseError, ResponseReader, TooLong
from tests.support.bombs import gzip_of_nothing

OK = b"HTTP/1.1 200 OK\r\n"
MOST = 1000


def read(*pieces: bytes, most: int = MOST) -> ResponseReader:
    reader = ResponseReader(most)
    for piece in pieces:
        reader.feed(piece)
    return reader


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    """As Go writes it."""
    told = b""
    while body:
        size = sizes.pop() if sizes else len(body)
        told += b"%x\r\n%b\r\n" % (len(body[:size]), body[:size])
        body = body[size:]
    return told + b"0\r\n\r\n"


CUTS = st.lists(st.integers(0, 3000), max_size=40)
SIZES = st.lists(st.integers(1, 90), max_size=30)


@given(body=st.binary(max_size=MOST), sizes=SIZES, cuts=CUTS)
def test_chunks_are_put_together(body: bytes, sizes: list[int], cuts: list[int]) -> None:
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, sizes)
    reader = read(*pieces_of(data, cuts))
    assert reader.done
    assert reader.reusable
    assert bytes(reader.body) == body


@given(seed=st.integers(0, 2**32), size=st.integers(30_000, 200_000), cuts=CUTS, data=st.data())
@settings(max_examples=25)
def test_a_long_compressed_body_is_what_it_was_before_and_nothing_may_lack_or_follow(
    seed: int, size: int, cuts: list[int], data: st.DataObject
) -> None:
    """What cannot be compressed is decompressed piece by piece."""
    body = random.Random(seed).randbytes(size)
    packed = gzip.compress(body, 1, mtime=0)

    def content(sent: bytes) -> bytes:
        head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(sent)
        return read(*pieces_of(head + sent, [cut * 70 for cut in cuts]), most=300_000).content

    assert content(packed) == body
    with pytest.raises(ResponseError, match="unexpected EOF"):
        content(packed[: data.draw(st.integers(1, len(packed) - 1))])
    with pytest.raises(ResponseError, match="data after the gzip stream"):
        content(packed + bytes(data.draw(st.integers(1, 50_000))))


def test_each_caller_has_a_limit_of_his_own_for_the_same_head() -> None:
    head = OK + b"Content-Length: 900\r\n\r\n"
    assert read(head + bytes(900), most=900).done
    with pytest.raises(TooLong):
        read(head, most=899)


@pytest.mark.parametrize(("size", "fits"), [(60_000, True), (60_001, False), (50_000_000, False)])
def test_no_more_is_decompressed_than_the_caller_allows(size: int, *, fits: bool) -> None:
    packed = gzip.compress(bytes(size))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    tracemalloc.start()
    try:
        if fits:
            assert read(head + packed, most=60_000).content == bytes(size)
        else:
            with pytest.raises(TooLong, match="decompression"):
                _ = read(head + packed, most=60_000).content
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_gzip_has_a_limit_of_its_own_as_it_is_sent(framing: str) -> None:
    """What it takes to read follows from its length as it is sent, and what comes of it may be nothing."""
    packed = gzip.compress(b"", mtime=0)
    head = OK + b"Content-Encoding: GZip\r\n"
    if framing == "length":
        sent = b"Content-Length: %d\r\n\r\n%b" % (len(packed), packed)
    else:
        sent = b"Transfer-Encoding: chunked\r\n\r\n" + chunked(packed, [])
    reader = ResponseReader(MOST, most_packed=len(packed))
    reader.feed(head + sent)
    assert (reader.done, reader.content) == (True, b"")
    with pytest.raises(TooLong, match=f"gzip body of more than {len(packed) - 1} bytes"):
        ResponseReader(MOST, most_packed=len(packed) - 1).feed(head + sent)
    plain = ResponseReader(MOST, most_packed=1)
    plain.feed(OK + b"Content-Length: 4\r\n\r\npage")
    assert plain.content == b"page"


def test_a_gzip_of_which_nothing_comes_is_read_a_little_at_a_time() -> None:
    """To build the tables of its blocks takes about a second, in which no other kubelet is read if it is done at once."""
    most = 8 << 20
    packed = gzip_of_nothing(most)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    reader, spent = ResponseReader(most), []
    # As they come from a record of TLS.
    for piece in (head, *(packed[at : at + 18_432] for at in range(0, len(packed), 18_432))):
        began = time.thread_time()
        reader.feed(piece)
        spent.append(time.thread_time() - began)
    began = time.thread_time()
    assert reader.content == b""
    spent.append(time.thread_time() - began)
    began = time.thread_time()
    zlib.decompressobj(wbits=31).decompress(packed)
    assert max(spent) < (time.thread_time() - began) / 10


@given(body=st.binary(max_size=MOST), cuts=CUTS)
def test_a_body_with_its_length_is_read(body: bytes, cuts: list[int]) -> None:
    reader = read(*pieces_of(OK + b"content-length: %d\r\n\r\n" % len(body) + body, cuts))
    assert reader.done
    assert bytes(reader.body) == body


@given(body=st.binary(min_size=1, max_size=200), sizes=SIZES, data=st.data())
def test_what_is_cut_short_is_never_done(
    body: bytes, sizes: list[int], data: st.DataObject
) -> None:
    whole = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, sizes)
    reader = read(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert not reader.done


@given(
    st.binary(max_size=400), st.sampled_from([b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"])
)
def test_any_bytes_end_in_an_error_or_wait_for_more(data: bytes, before: bytes) -> None:
    reader = ResponseReader(MOST)
    with contextlib.suppress(ResponseError):
        reader.feed(before + data)
    assert len(reader.body) <= MOST


def test_the_status_is_told_as_it_came() -> None:
    reader = read(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert (reader.status, reader.said, reader.reusable) == (403, "403 Forbidden", False)
    assert read(b"HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n").reusable is False
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n").done


def test_an_announcement_is_not_the_answer() -> None:
    reader = read(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi")
    assert (reader.status, bytes(reader.body), reader.done) == (200, b"hi", True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: +5\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\n",
        OK + b"Content-Length: 0x5\r\n\r\n",
        OK + b"\r\nno length",
        OK + b"No Colon\r\n\r\n",
        OK + b"Space : x\r\n\r\n",
        OK + b" Folded: x\r\n\r\n",
        OK + b"Content-Encoding: br\r\nContent-Length: 0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 300,
    ],
)
def test_what_could_be_read_twice_is_read_by_nobody(data: bytes) -> None:
    with pytest.raises(ResponseError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 1001\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11,
        OK + b"X: y\r\n" * 11_000,
    ],
)
def test_too_much_is_refused_before_it_is_kept(data: bytes) -> None:
    with pytest.raises(TooLong):
        read(data)


def test_a_body_in_crumbs_is_refused_as_go_refuses_it() -> None:
    crumbs = b"1\r\nx\r\n"
    with pytest.raises(ResponseError, match="too much non-data"):
        read(OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1;" + b"a" * 200 + b"\r\nx\r\n"] * 200)
    assert read(OK + b"Transfer-Encoding: chunked\r\n\r\n", *[crumbs] * 900).body == b"x" * 900


def test_what_costs_much_and_says_little_is_broken_off() -> None:
    """A minute of work for eight megabytes, and all other kubelets wait meanwhile."""
    chunks = itertools.repeat(b"1\r\na\r\n" * 1000, 8389)
    with pytest.raises(ResponseError, match="too much non-data"):
        read(OK + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, most=8 << 20)
    with pytest.raises(ResponseError, match="too many 1xx informational responses"):
        read(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 6)
    read(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5 + OK + b"Content-Length: 0\r\n\r\n")
