"""DER: what is written can be read back, and a second spelling of anything is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.quirks import deviation

TAGS = st.sampled_from(
    [
        der.OCTET_STRING,
        der.UTF8_STRING,
        der.context(2),
        der.context(7),
        der.SEQUENCE,
        der.explicit(0),
    ]
)
TREES = st.recursive(
    st.binary(max_size=300).map(lambda body: der.encode(der.OCTET_STRING, body)),
    lambda inner: st.lists(inner, max_size=4).map(
        lambda members: der.encode(der.SEQUENCE, *members)
    ),
)
OIDS = st.tuples(
    st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**31 - 1), max_size=5)
).map(lambda parts: ".".join(map(str, (parts[0], parts[1], *parts[2]))))


@given(TAGS, st.binary(max_size=70_000))
def test_an_element_reads_back(tag: int, body: bytes) -> None:
    element = der.Reader(der.encode(tag, body) + b"rest").any("")
    assert (element.tag, element.body) == (tag, body)
    assert element.raw == der.encode(tag, body)


@given(st.integers())
def test_an_integer_reads_back(value: int) -> None:
    assert der.Reader(der.encode_integer(value)).integer("") == value
    assert deviation(der.encode_integer(value)) == ""


@given(OIDS)
def test_an_object_identifier_reads_back(text: str) -> None:
    assert der.Reader(der.encode_oid(text)).oid("") == text


@given(TREES)
def test_what_is_written_is_canonical(data: bytes) -> None:
    assert deviation(data) == ""
    assert deviation(data + b"\0").startswith("1 bytes follow")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x00",
        b"\x30\x81\x7f" + bytes(127),
        b"\x30\x82\x00\x80" + bytes(128),
        b"\x30\x85\x00\x00\x00\x00\x00",
        b"\x1f\x10\x00",
        b"\x10\x00",
        b"\x11\x00",
        b"\x24\x02\x04\x00",
        b"\x01\x01\x01",
        b"\x01\x02\xff\xff",
        b"\x02\x00",
        b"\x02\x02\x00\x01",
        b"\x02\x02\xff\xff",
        b"\x03\x00",
        b"\x03\x01\x01",
        b"\x03\x02\x08\x00",
        b"\x03\x02\x01\x01",
        b"\x05\x01\x00",
        b"\x06\x00",
        b"\x06\x02\x55\x83",
        b"\x06\x03\x55\x80\x03",
        b"\x31\x06\x02\x01\x02\x02\x01\x01",
        b"\x30\x04\x30\x02\x05\x01",
    ],
    ids=bytes.hex,
)
def test_a_second_spelling_is_found(data: bytes) -> None:
    assert deviation(data)


@pytest.mark.parametrize("octets", [1, 2, 7])
def test_padding_moves_to_the_front(octets: int) -> None:
    body, padding = der.Reader(b"\x03\x03" + bytes([octets, 0xFF, 0x80])).bits("")
    assert der.right_aligned(body, padding) == (0xFF80 >> octets).to_bytes(2, "big")


def test_a_problem_is_told_in_the_words_it_was_given() -> None:
    with pytest.raises(Malformed, match=r"^what is wrong$"):
        der.Reader(b"\x30\x00").integer("what is wrong")
