"""A script in a variable, an answer in termination messages: both ways whole, or refused; hostile bytes cost nothing."""

import base64
import json
import os
import random
import zlib

import msgspec
import pytest

from kubevouch.node.errors import ScriptFailed
from kubevouch.node.messages import (
    MESSAGE_LIMIT,
    PodAnswer,
    answer_from,
    answer_of,
    count_in,
    messages_of,
    packed_script,
    unpacked_script,
)


def _printed(answer: object) -> bytes:
    return b"noise of a profile\nkubevouch-answer: " + json.dumps(answer).encode() + b"\n"


def test_a_script_comes_out_as_it_went_in_and_is_nothing_that_kubernetes_expands() -> None:
    script = b"main() {\necho $(HOME) $$ '\xff'\n}\n" * 100
    packed = packed_script(script)
    assert unpacked_script(packed) == script
    assert "$" not in packed
    assert len(packed) < len(script) / 10


def test_an_answer_comes_out_as_the_script_printed_it() -> None:
    answer = {"machine_id": base64.b64encode(b"abc" * 9).decode(), "pid": 7, "age": 1.5, "runs": []}
    said = answer_from(messages_of(answer_of(0, _printed(answer), b"a warning\n")), where="n")
    assert json.loads(said.stdout.removeprefix(b"kubevouch-answer: ")) == answer
    assert (said.status, said.complaint) == (0, "a warning")


@pytest.mark.parametrize(
    "text", ["not base64 at all", "QUJDREVGRw", "QUJDREVGR=", "QUJD\nREVG", ""]
)
def test_a_text_that_is_not_just_so_written_base64_stays_as_it_is(text: str) -> None:
    said = answer_from(messages_of(answer_of(0, _printed({"a": text}), b"")), where="n")
    assert said.answer == {"a": text}
    assert json.loads(said.stdout.removeprefix(b"kubevouch-answer: ")) == {"a": text}


@pytest.mark.parametrize(("size", "count"), [(10, 1), (5_000, 2), (9_000, 3)])
def test_a_longer_answer_lies_on_messages_that_no_kubelet_cuts(size: int, count: int) -> None:
    answer = {"data": base64.b64encode(random.Random(size).randbytes(size)).decode()}
    messages = messages_of(answer_of(0, _printed(answer), b""))
    assert len(messages) == count
    assert all(len(each.encode()) <= MESSAGE_LIMIT for each in messages)
    assert count_in(messages[0]) == count
    said = answer_from(messages, where="n")
    assert json.loads(said.stdout.removeprefix(b"kubevouch-answer: ")) == answer


def test_of_an_answer_that_no_pod_can_say_its_length_is_said() -> None:
    answer = {"data": base64.b64encode(os.urandom(11_000)).decode()}
    (only,) = messages_of(answer_of(0, _printed(answer), b"and a warning"))
    said = answer_from([only], where="n")
    assert said.too_long > 12_276
    assert (said.answer, said.stdout, said.complaint) == (None, b"", "and a warning")


def test_a_script_that_prints_no_answer_or_rubbish_has_none() -> None:
    assert answer_of(3, b"hello\n", b"x" * 5_000 + b"the end\n") == PodAnswer(
        3, None, ("x" * 5_000 + "the end")[-1024:]
    )
    rubbish = answer_of(0, b"kubevouch-answer: {{{\n", b"")
    assert rubbish.answer is None
    assert "cannot be read" in rubbish.complaint


def _message(data: bytes) -> str:
    return "1/1 " + base64.b85encode(data).decode()


HOSTILE = {
    "no head": ["hello"],
    "nothing": [""],
    "another number": ["2/2 abc", "1/2 abc"],
    "another count": ["1/3 abc"],
    "longer than any": ["1/1 " + "a" * MESSAGE_LIMIT],
    "not base85": ['1/1 "'],
    "not packed": [_message(b"plain")],
    "cut off": [_message(zlib.compress(b"x" * 5000)[:-6])],
    "much out of little": [_message(zlib.compress(b"\0" * 3_000_000, 9))],
    "another form": [_message(zlib.compress(b'{"status": 0}'))],
    "another type": [_message(zlib.compress(msgspec.msgpack.encode({"status": "0"})))],
    "deep": [_message(zlib.compress(b"\x81\xa6answer" + b"\x91" * 100_000 + b"\x90"))],
    "a type that JSON has not": [
        _message(zlib.compress(msgspec.msgpack.encode({"answer": msgspec.msgpack.Ext(5, b"x")})))
    ],
    "a key that JSON has not": [_message(zlib.compress(b"\x81\xa6answer\x81\x92\x01\x02\x01"))],
    "nothing for a key": [_message(zlib.compress(b"\x81\xa6answer\x81\xc0\x01"))],
    "a complaint without end": [
        _message(zlib.compress(msgspec.msgpack.encode({"status": 1, "complaint": "x" * 900_000})))
    ],
    "a line more": ["1/1 abc\n"],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_kubelet_makes_up_is_refused(name: str) -> None:
    with pytest.raises(ScriptFailed, match="pod"):
        answer_from(HOSTILE[name], where="node-1 (pod)")


def test_what_is_no_message_of_ours_counts_as_none() -> None:
    assert [count_in(each) for each in ("", "OOMKilled", "2/3 abc", "1/4 abc", "1/2 abc")] == [0, 0, 0, 0, 2]  # fmt: skip
