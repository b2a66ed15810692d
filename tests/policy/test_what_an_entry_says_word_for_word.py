"""Entries of ConfigMaps as they lie there, written by hand: each field is read and written, and what is wrong is said in full."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kubevouch.policy.credentials import AllowedCertificate, NodeCredentials
from kubevouch.policy.sources.pinned import PinnedNode, read_pin, read_pins, written_pin
from kubevouch.policy.sources.recorded import (
    Admitted,
    RecordedNode,
    read_record,
    read_recorded,
    written_record,
)
from kubevouch.policy.sources.stored import NotAnEntry, Shard, Unreadable

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
AT = "2026-11-25T12:00:00Z"
A, B, C = "ab" * 32, "cd" * 32, "ef" * 32
PIN = PinnedNode(
    "worker-1",
    "uid-1",
    ("worker-1", "shop.example.com"),
    ("10.0.0.5", "fd00::5"),
    machine_id="m-1",
    client_certificates=(A, B),
    pinned_at=NOW,
    by="alice",
)
PIN_TEXT = (
    '{"addresses":["10.0.0.5","fd00::5"],"by":"alice",'
    f'"clientCertificates":["{A}","{B}"],"machineId":"m-1","names":["worker-1","shop.example.com"],'
    '"pinnedAt":"2026-11-25T12:00:00Z","uid":"uid-1","v":1}'
)
RECORD = RecordedNode(
    "worker-1",
    "uid-1",
    Admitted(("worker-1",), ("10.0.0.5", "fd00::5"), NOW, "worker-*"),
    NodeCredentials(
        "uid-1",
        NOW,
        (AllowedCertificate(A, at=NOW), AllowedCertificate(B, A, NOW)),
        joined=A,
        closed=True,
        borrowed=(C,),
        doubted=NOW,
        earlier=NOW,
    ),
)
RECORD_TEXT = (
    '{"admitted":{"addresses":["10.0.0.5","fd00::5"],"at":"2026-11-25T12:00:00Z",'
    '"names":["worker-1"],"rule":"worker-*"},'
    f'"credentials":{{"allowed":[{{"at":"{AT}","certificate":"{A}"}},{{"at":"{AT}","certificate":"{B}","parent":"{A}"}}],'
    f'"borrowed":["{C}"],"closed":true,"created":"{AT}","doubted":"{AT}","earlier":"{AT}","joined":"{A}",'
    '"uid":"uid-1"},"uid":"uid-1","v":1}'
)
AS_WRITTEN = "an entry as kubevouch writes it was expected"


def test_each_field_of_a_pin_is_read() -> None:
    assert read_pin("worker-1", PIN_TEXT.encode()) == PIN
    assert read_pin("worker-1", b'{"v":1}') == PinnedNode("worker-1", "", (), ())
    assert read_pins("kubevouch-pins-1", {"worker-1": PIN_TEXT}) == Shard({"worker-1": PIN})


def test_each_field_of_a_pin_is_written() -> None:
    assert written_pin(PIN) == PIN_TEXT
    assert written_pin(PinnedNode("worker-1", "", (), ())) == '{"v":1}'


def test_each_field_of_a_record_is_read() -> None:
    assert read_record("worker-1", RECORD_TEXT.encode()) == RECORD
    assert read_record("worker-1", b'{"v":1}') == RecordedNode("worker-1", "")
    found = read_recorded("kubevouch-recorded-1", {"worker-1": RECORD_TEXT})
    assert found == Shard({"worker-1": RECORD})


def test_each_field_of_a_record_is_written() -> None:
    assert written_record(RECORD) == RECORD_TEXT
    assert written_record(RecordedNode("worker-1", "")) == '{"credentials":{},"v":1}'


def test_what_the_rule_admitted_is_read_in_its_plainest_form() -> None:
    said = RECORD_TEXT.replace('"10.0.0.5","fd00::5"', '"::ffff:10.0.0.5","FD00:0::5","10.0.0.5"')
    assert read_record("worker-1", said.encode()) == RECORD


def credentials(**said: Any) -> dict[str, Any]:
    return {"v": 1, "credentials": said}


def admission(**other: Any) -> dict[str, Any]:
    good = {"names": [], "addresses": [], "at": "2026-11-25T12:00:00Z", "rule": ""}
    return {"v": 1, "admitted": {**good, **other}}


LONG = "a" * 513
CUT = "'" + "a" * 80 + "...'"
LINE = "one line of at most 512 characters was expected"
OFFSET = "a moment with its offset from UTC was expected"
NO_HASH = "Expected `str` matching regex '^(|[0-9a-f]{64})\\\\Z' - at `$.credentials."
HEXADECIMAL = "64 lower-case hexadecimal digits were expected"
WRONG_PINS: dict[str, tuple[Any, str, str]] = {
    "cut off": ('{"v": 1', "not JSON (Input data was truncated)", AS_WRITTEN),
    "not UTF-8": (b'{"v": 1, "by": "\xff"}', "not JSON ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)", AS_WRITTEN),
    "no object": ([], "Expected `object`, got `array`", AS_WRITTEN),
    "newer": ({"v": 2}, "version 2", "this kubevouch reads version 1; a newer one wrote it"),
    "never was": ({"v": 0}, "version 0", "version 1 was expected"),
    "unknown": ({"v": 1, "x": 1}, "Object contains unknown field `x`", AS_WRITTEN),
    "uid": ({"v": 1, "uid": "a\nb"}, "uid 'a\\nb'", LINE),
    "machine-id": ({"v": 1, "machineId": LONG}, f"machineId {CUT}", LINE),
    "by": ({"v": 1, "by": LONG}, f"by {CUT}", LINE),
    "name": ({"v": 1, "names": ["a", "*"]}, "name '*' (a wildcard)", "host names were expected"),
    "names": ({"v": 1, "names": [f"n{i}" for i in range(65)]}, "65 names", "at most 64 are read"),
    "address": ({"v": 1, "addresses": ["::1", "a" * 81]}, f"address {CUT}", "IP addresses without a prefix were expected"),
    "zone": ({"v": 1, "addresses": ["fe80::1%1"]}, "address 'fe80::1%1'", "IP addresses without a prefix were expected"),
    "addresses": ({"v": 1, "addresses": [f"10.0.0.{i}" for i in range(65)]}, "65 addresses", "at most 64 are read"),
    "hash": ({"v": 1, "clientCertificates": [A, "AB" * 32]}, f"client certificate '{'AB' * 32}'", HEXADECIMAL),
    "short hash": ({"v": 1, "clientCertificates": ["ab" * 31]}, f"client certificate '{'ab' * 31}'", HEXADECIMAL),
    "not a digit": ({"v": 1, "clientCertificates": ["a" * 62 + "Xa"]}, f"client certificate '{'a' * 62}Xa'", HEXADECIMAL),
    "not a digit at the end": ({"v": 1, "clientCertificates": ["a" * 63 + "X"]}, f"client certificate '{'a' * 63}X'", HEXADECIMAL),
    "hashes": ({"v": 1, "clientCertificates": [f"{i:064x}" for i in range(65)]}, "65 client certificates", "at most 64 are read"),
    "allowed": ({"v": 1, "names": ["a"], "allowed": ["a", "b"]}, "allowed: b", "one of the pinned names or addresses was expected"),
    "moment": ({"v": 1, "pinnedAt": "2026-11-25T12:00:00"}, "pinnedAt 2026-11-25 12:00:00", OFFSET),
}  # fmt: skip
WRONG_RECORDS: dict[str, tuple[Any, str, str]] = {
    "newer": ({"v": 2}, "version 2", "this kubevouch reads version 1; a newer one wrote it"),
    "unknown": ({"v": 1, "x": 1}, "Object contains unknown field `x`", AS_WRITTEN),
    "uid": ({"v": 1, "uid": "a\nb"}, "uid 'a\\nb'", LINE),
    "admitted without an offset": (admission(at="2026-11-25T12:00:00"), "Expected `datetime` with a timezone component - at `$.admitted.at`", AS_WRITTEN),
    "admitted name": (admission(names=["*"]), "name '*' (a wildcard)", "host names were expected"),
    "admitted address": (admission(addresses=["a"]), "address 'a'", "IP addresses without a prefix were expected"),
    "rule": (admission(rule="a\n"), "rule 'a\\n'", LINE),
    **{
        f"{field} without an offset": (
            credentials(**{field: "2026-11-25T12:00:00"}),
            f"Expected `datetime` with a timezone component - at `$.credentials.{field}`",
            AS_WRITTEN,
        )
        for field in ("created", "doubted", "earlier")
    },
    "allowed without an offset": (credentials(allowed=[{"certificate": A, "at": "2026-11-25T12:00:00"}]), "Expected `datetime` with a timezone component - at `$.credentials.allowed[0].at`", AS_WRITTEN),
    "allowed": (credentials(allowed=[{"certificate": "a"}]), f"{NO_HASH}allowed[0].certificate`", AS_WRITTEN),
    "parent": (credentials(allowed=[{"certificate": A, "parent": A.upper()}]), f"{NO_HASH}allowed[0].parent`", AS_WRITTEN),
    "joined": (credentials(joined=f"{A}\n"), f"{NO_HASH}joined`", AS_WRITTEN),
    "borrowed": (credentials(borrowed=["b" * 65]), f"{NO_HASH}borrowed[0]`", AS_WRITTEN),
    "many that were borrowed": (credentials(borrowed=[A] * 6), "Expected `array` of length <= 5 - at `$.credentials.borrowed`", AS_WRITTEN),
    "many that are allowed": (credentials(allowed=[{"certificate": A}] * 69), "Expected `array` of length <= 68 - at `$.credentials.allowed`", AS_WRITTEN),
    "uid of the credentials": (credentials(uid=LONG), "Expected `str` of length <= 512 - at `$.credentials.uid`", AS_WRITTEN),
}  # fmt: skip


def raw(said: Any) -> bytes:
    if isinstance(said, bytes):
        return said
    return (said if isinstance(said, str) else json.dumps(said)).encode()


@pytest.mark.parametrize("case", WRONG_PINS)
def test_of_a_pin_what_is_wrong_and_what_would_be_right_is_said(case: str) -> None:
    said, seen, expected = WRONG_PINS[case]
    with pytest.raises(NotAnEntry) as error:
        read_pin("worker-1", raw(said))
    assert (error.value.seen, error.value.expected) == (seen, expected)


@pytest.mark.parametrize("case", WRONG_RECORDS)
def test_of_a_record_what_is_wrong_and_what_would_be_right_is_said(case: str) -> None:
    said, seen, expected = WRONG_RECORDS[case]
    with pytest.raises(NotAnEntry) as error:
        read_record("worker-1", raw(said))
    assert (error.value.seen, error.value.expected) == (seen, expected)


def test_as_much_as_may_be_is_read() -> None:
    names = [f"n{i}" for i in range(64)]
    addresses = [f"10.0.0.{i}" for i in range(64)]
    hashes = [f"{i:064x}" for i in range(64)]
    most = {"v": 1, "uid": "u" * 512, "names": names, "addresses": addresses}
    found = read_pin("w", raw({**most, "clientCertificates": hashes}))
    assert found == PinnedNode(
        "w", "u" * 512, tuple(names), tuple(addresses), client_certificates=tuple(hashes)
    )
    many = credentials(allowed=[{"certificate": each} for each in hashes], borrowed=hashes[:4])
    assert len(read_record("w", raw(many)).credentials.allowed) == 64


def test_a_value_said_twice_counts_once() -> None:
    said = {"v": 1, "names": ["b", "a", "b"], "clientCertificates": [A, A]}
    assert read_pin("w", raw(said)) == PinnedNode("w", "", ("b", "a"), (), client_certificates=(A,))
    assert read_pin("w", raw({"v": 1, "names": ["a"] * 65})).names == ("a",)


def test_a_text_of_eighty_characters_is_quoted_as_a_whole() -> None:
    with pytest.raises(NotAnEntry) as error:
        read_pin("w", raw({"v": 1, "addresses": ["a" * 80]}))
    assert error.value.seen == f"address '{'a' * 80}'"


def test_what_is_quoted_of_an_entry_is_bounded_and_prints_on_one_line() -> None:
    error = NotAnEntry("\n" + "a" * 300, "b")
    assert error.seen == "\\n" + "a" * 198
    assert error.expected == "b"
    assert error.args == ("\n" + "a" * 300, "b")


def test_an_entry_of_sixteen_kibibytes_is_read_and_one_more_byte_is_not() -> None:
    text = '{"v":1' + " " * (16 * 1024 - 7) + "}"
    name = "kubevouch-pins-1"
    assert read_pins(name, {"worker-1": text}).entries == {
        "worker-1": PinnedNode("worker-1", "", (), ())
    }
    # Two bytes of UTF-8 for one character: bytes are counted.
    for more in (text + " ", text[:-1].replace("  ", " ä", 1) + "}"):
        assert read_pins(name, {"worker-1": more}).entries == {
            "worker-1": Unreadable(f"{name}, worker-1", "16385 bytes", "at most 16384 are read")
        }


def test_each_entry_is_read_by_itself() -> None:
    found = read_pins("kubevouch-pins-1", {"cp-1": "{", "worker-1": PIN_TEXT})
    assert found.entries == {
        "cp-1": Unreadable(
            "kubevouch-pins-1, cp-1", "in the wrong ConfigMap", "kubevouch-pins-12 was expected"
        ),
        "worker-1": PIN,
    }
    assert read_recorded("kubevouch-recorded-1", {"worker-1": "{"}).entries == {
        "worker-1": Unreadable(
            "kubevouch-recorded-1, worker-1", "not JSON (Input data was truncated)", AS_WRITTEN
        )
    }


def test_ten_thousand_entries_of_a_configmap_are_read_and_one_more_is_not() -> None:
    data = {f"n{number}": "{" for number in range(10_000)}
    found = read_pins("kubevouch-pins-1", data).entries.values()
    assert {each.expected for each in found if isinstance(each, Unreadable)} >= {AS_WRITTEN}
    too_many = read_pins("kubevouch-pins-1", {**data, "worker-1": PIN_TEXT}).entries
    why = Unreadable("kubevouch-pins-1", "10001 entries", "at most 10000 are read")
    mentions = msgspec.structs.replace(why, mentioned=("10.0.0.5", "fd00::5", "shop.example.com"))
    assert too_many == {**dict.fromkeys(data, why), "worker-1": mentions}


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        (RecordedNode("w", "a\nb"), "uid 'a\\nb'"),
        (RecordedNode("w", "", Admitted(("*",), (), NOW, "")), "name '*' (a wildcard)"),
    ],
)
def test_a_record_that_could_not_be_read_again_is_not_written(
    record: RecordedNode, seen: str
) -> None:
    with pytest.raises(NotAnEntry) as error:
        written_record(record)
    assert error.value.seen == seen


def test_how_a_pin_with_its_day_and_its_operator_is_called() -> None:
    assert str(PIN) == "pinned on 2026-11-25 by alice"
