"""DER: what is written can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed

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


@given(OIDS)
def test_an_object_identifier_reads_back(text: str) -> None:
    assert der.Reader(der.encode_oid(text)).oid("") == text


@pytest.mark.parametrize("octets", [1, 2, 7])
def test_padding_moves_to_the_front(octets: int) -> None:
    body, padding = der.Reader(b"\x03\x03" + bytes([octets, 0xFF, 0x80])).bits("")
    assert der.right_aligned(body, padding) == (0xFF80 >> octets).to_bytes(2, "big")


def test_a_problem_is_told_in_the_words_it_was_given() -> None:
    with pytest.raises(Malformed, match=r"^what is wrong$"):
        der.Reader(b"\x30\x00").integer("what is wrong")
