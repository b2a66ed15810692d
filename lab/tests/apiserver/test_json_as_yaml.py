"""JSON that is sent as YAML: what is read as JSON is what the reader of YAML makes of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch import goyaml
from kubevouch_lab.apiserver.bodies import _plain_json

WORDS = st.sampled_from(["", "y", "on", "~", "null", "1e3", "0x1f", "a: b", "- a", "#", "'", "&a", "*a", "!!int", "<<", "2026-11-29"])  # fmt: skip
TEXTS = WORDS | st.text(max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_json_is_read_as_yaml_reads_it(thing: Any, ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(thing, ensure_ascii=ascii_only, indent=indent).encode()
    found = _plain_json(raw)
    if found is not None:
        assert _told(found) == _told(goyaml.read(raw))


def _told(value: object) -> str:
    """True is no 1."""
    return repr(value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1.5}',
        b'{"a": 90071992547409930}',
        b'{"a": "\\u00e4"}',
        b'{"<<": {"a": 1}}',
        b'{"a":\t1}',
        b'["a"]',
        b"a: 1",
        b'{"a": 1} b',
        b'{"%s": 1}' % (b"k" * 600),
        b'{"a":' + 70 * b"[" + 70 * b"]" + b"}",
        '{"a": "ä"}'.encode(),
    ],
)
def test_what_may_be_read_otherwise_is_left_to_the_reader_of_yaml(raw: bytes) -> None:
    assert _plain_json(raw) is None


def test_what_kubectl_sends_is_read_at_once() -> None:
    raw = b'{"apiVersion": "v1", "metadata": {"name": "y", "labels": {"on": "1"}}, "data": [1, null, true]}\n'
    assert _plain_json(raw) == goyaml.read(raw) is not None
