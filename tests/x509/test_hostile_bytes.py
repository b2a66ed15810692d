"""Any bytes in: a value or an X509Error comes out, never anything else, and soon."""

import time
from base64 import b64decode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.x509 import (
    X509Error,
    classify,
    describe,
    read_certificate_der,
    read_certificates,
    read_csr,
    read_pem,
    verify,
)
from kubevouch.x509 import pem as codec
from kubevouch.x509.bundle import LARGEST_FILE
from kubevouch.x509.csr import LARGEST_CSR
from real.oracle.certificates import NOW, san_value
from real.oracle.request_cases import block, san_request
from tests.support.authority import Authority
from tests.support.unhurried import examples
from tests.x509.recorded import certificate, ders, lines

PAIR = Authority().serving("w1.example.com", "10.0.0.5", node="w1")
REQUESTS = [b64decode(line["pem"]) for line in lines("requests")]
FILES = [*(b64decode(line["pem"]) for line in lines("bundles")), PAIR.chain + PAIR.key]
KEYS = [PAIR.key, PAIR.chain + PAIR.key]
CA = certificate("ca")
MORE = examples(1000)


@st.composite
def spoilt(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of them with bits turned, cut, doubled, or with something put in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["turn", "cut", "drop", "double", "insert"])):
            case "turn":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + draw(st.integers(1, 40))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 400))]
            case _:
                data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)


def in_pem(ders_: st.SearchStrategy[bytes], label: str) -> st.SearchStrategy[bytes]:
    return ders_.map(lambda der: codec.encode_block(label, der))


def survives(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except X509Error as error:
        assert str(error).startswith("here")  # noqa: PT017 - it need not raise


def judge(data: bytes) -> None:
    """Everything that can be done with a certificate somebody sent."""
    found = read_certificate_der(data, "here")
    describe(found, NOW)
    classify(found)
    repr(found)
    for name in ("w1.example.com", "10.0.0.5", "[::1]", ""):
        verify(found, intermediates=[found, CA], roots=[CA], name=name, at=NOW)
        verify(CA, intermediates=[found], roots=[found], name=name, at=NOW)


DERS = sorted(ders().values(), key=len)[:1500]


@MORE
@given(st.binary(max_size=300) | spoilt(DERS))
def test_a_certificate(data: bytes) -> None:
    survives(judge, data)


@MORE
@given(
    st.binary(max_size=300)
    | spoilt(FILES)
    | in_pem(spoilt(DERS), "CERTIFICATE")
    | st.text().map(str.encode)
)
def test_a_file(data: bytes) -> None:
    survives(lambda read: repr(read_pem(read, "here")), data)
    survives(lambda read: read_certificates(read, "here"), data)


@MORE
@given(
    st.binary(max_size=300)
    | spoilt(KEYS)
    | in_pem(st.binary(max_size=200), "PRIVATE KEY")
    | in_pem(spoilt([next(codec.blocks(PAIR.key)).body]), "EC PRIVATE KEY")
)
def test_a_key(data: bytes) -> None:
    survives(lambda read: read_pem(read, "here").keys, data)


@MORE
@given(
    st.binary(max_size=300)
    | spoilt(REQUESTS)
    | in_pem(st.binary(max_size=300), "CERTIFICATE REQUEST")
    | in_pem(
        spoilt([block.body for pem in REQUESTS for block in codec.blocks(pem)]),
        "CERTIFICATE REQUEST",
    )
)
def test_a_request(data: bytes) -> None:
    def read(pem: bytes) -> None:
        request = read_csr(pem, "here")
        assert request.quirk.isprintable()
        assert len(request.quirk) < 2000

    survives(read, data)


SLOW = {
    "ends": b"\n-----END X-----" * (LARGEST_FILE // 16),
    "begins": b"-----BEGIN X-----\n" * (LARGEST_FILE // 18),
    "pairs that differ": b"-----BEGIN X-----\n-----END Y-----\n" * (LARGEST_FILE // 34),
    "headers": b"-----BEGIN X-----\n" + b"a:b\n" * (LARGEST_FILE // 5),
    "headers and ends": b"-----BEGIN X-----\n" + b"-----END :\n" * (LARGEST_FILE // 12),
    "pairs with headers": b"-----BEGIN X-----\na:b\n-----END X-----\n" * (LARGEST_FILE // 40),
}  # fmt: skip


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
def test_no_file_takes_long_to_read(data: bytes) -> None:
    start = time.process_time()
    survives(lambda read: read_pem(read, "here"), data)
    assert time.process_time() - start < 5


def test_no_request_takes_long_to_read_or_says_much() -> None:
    pem = block(san_request(san_value(["*"] * 10_000)))
    assert len(pem) < LARGEST_CSR
    start = time.process_time()
    assert len(read_csr(pem, "here").quirk) < 200
    assert time.process_time() - start < 5
    with pytest.raises(X509Error, match="at most"):
        read_csr(pem * 2, "here")


def test_a_nest_of_sequences_is_no_trace() -> None:
    with pytest.raises(X509Error):
        read_certificate_der(b"\x30\x80" * 5000, "here")
