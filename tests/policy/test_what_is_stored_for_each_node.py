"""Pins and records as entries of ConfigMaps: what is written is read again, and what cannot be read holds its node only."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.policy.credentials import AllowedCertificate, NodeCredentials
from kubevouch.policy.sources.nodes import (
    PINS,
    RECORDED,
    Admitted,
    PinnedNode,
    RecordedNode,
    read_pin,
    read_pins,
    read_record,
    read_recorded,
    written_pin,
    written_record,
)
from kubevouch.policy.sources.stored import (
    MOST_ENTRIES,
    NotAnEntry,
    Shard,
    Unreadable,
    labels_of,
    mentioned,
    shard_names,
    shard_of,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
# By sha256sum: 13029f9e..., cd590dae...
SHARDS = {"worker-1": 1, "cp-1": 12}


def test_a_config_map_of_ours_says_whose_it_is_and_what_it_holds() -> None:
    assert labels_of("pins") == {
        "app.kubernetes.io/part-of": "kubevouch",
        "kubevouch.dev/holds": "pins",
    }


@pytest.mark.parametrize("node", SHARDS)
def test_the_shard_is_the_first_digit_of_the_names_sha256(node: str) -> None:
    assert shard_of(PINS, node) == f"kubevouch-pins-{SHARDS[node]}"


def test_a_role_can_name_all_shards() -> None:
    assert shard_names(RECORDED)[0] == "kubevouch-recorded-0"
    assert shard_names(RECORDED)[-1] == "kubevouch-recorded-15"
    assert len(set(shard_names(RECORDED))) == 16
    assert all(shard_of(RECORDED, f"n{i}") in shard_names(RECORDED) for i in range(200))


@given(raw=st.binary(max_size=300))
def test_whatever_bytes_stand_there_the_answer_is_an_entry_or_why_not(raw: bytes) -> None:
    for read in (read_pin, read_record):
        with contextlib.suppress(NotAnEntry):
            read("worker-1", raw)


def test_a_flooded_configmap_counts_as_a_whole() -> None:
    data = {f"n{i}": "{}" for i in range(MOST_ENTRIES + 1)}
    found: Shard[PinnedNode] = read_pins("kubevouch-pins-8", data)
    assert found.problems == ("kubevouch-pins-8: 10001 entries; expected at most 10000",)
    assert all(isinstance(each, Unreadable) for each in found.entries.values())


def test_what_stands_in_an_entry_that_cannot_be_read_is_nobody_elses() -> None:
    """A newer kubevouch may call things otherwise, or the text be cut off: addresses and names are found all the same."""
    cut_off = '{"v":1,"uid":"u","names":["W1.example.com","w1"],"addresses":["192.0.2.1","::FFFF:192.0.2.2","2001:db8::1"],"pinnedAt":"2026-11-25T12:00:00.5Z","x":[10.96, 1.2.3'
    found = read_pins(shard_of(PINS, "n1"), {"n1": cut_off}).entries["n1"]
    assert isinstance(found, Unreadable)
    assert found.mentioned == ("w1.example.com", "192.0.2.1", "192.0.2.2", "2001:db8::1")
    stray = shard_of(PINS, "n1").replace(PINS, f"{PINS}-stray")
    assert read_pins(stray, {"n1": '{"v":1,"addresses":["192.0.2.7"]}'}).entries[
        "n1"
    ].mentioned == ("192.0.2.7",)  # type: ignore[union-attr]
    many = {f"n{number}": '{"v":1,"addresses":["192.0.2.7"]}' for number in range(MOST_ENTRIES + 1)}
    entries = read_pins(f"{PINS}-0", many).entries.values()
    assert {each.mentioned for each in entries if isinstance(each, Unreadable)} == {("192.0.2.7",)}


@pytest.mark.parametrize(
    "text",
    [
        '{"v":1,"addresses":["10.0.0.1"],"addresses":["10.0.0.9"]}',
        '{"v":2,"v":1,"addresses":["10.0.0.1","10.0.0.9"]}',
        '{"v":1,"addresses":["10.0.0.1","10.0.0.9"],"\\u0075id":"a","uid":"b"}',
    ],
)
def test_a_pin_with_a_field_twice_is_read_by_nobody_and_keeps_its_addresses(
    text: str,
) -> None:
    """As in the inventory: whoever looks at it sees one of them, and we went by the other."""
    entry = read_pins(shard_of(PINS, "n1"), {"n1": text}).entries["n1"]
    assert isinstance(entry, Unreadable)
    assert "twice" in entry.seen
    assert entry.mentioned == ("10.0.0.1", "10.0.0.9")


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("10.0.0.1:10250", ("10.0.0.1",)),
        ("https://10.0.0.1:10250/healthz", ("10.0.0.1",)),
        ("[2001:db8::5]:10250", ("2001:db8::5",)),
        ("w1.example.com:10250", ("w1.example.com",)),
        ("010.000.000.001", ("10.0.0.1",)),
        ("10.0.0.1/24", ("10.0.0.1",)),
        ("10.0.0.1-10.0.0.9", ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9")),
        ("2001:db8::1-2001:db8::9", ("2001:db8::1", "2001:db8::9")),
        ("ip:10.0.0.6", ("10.0.0.6",)),
        ("fe80::1%eth0", ("fe80::1",)),
        ("10.0.0.1.example.com", ("10.0.0.1.example.com",)),
        ("10.0.0.256", ()),
        ("1.2.3.4.5", ()),
    ],
)
def test_of_an_entry_by_hand_an_address_is_found_as_people_write_it(
    written: str, found: tuple[str, ...]
) -> None:
    """Such a pin cannot be read, so that its node is held: its address must not be free for another one meanwhile."""
    text = f'{{"v":1,"addresses":["{written}"]}}'
    entry = read_pins(shard_of(PINS, "n1"), {"n1": text}).entries["n1"]
    assert isinstance(entry, Unreadable)
    assert entry.mentioned == found


def test_of_a_flood_the_first_few_are_kept() -> None:
    flood = " ".join(f"10.0.{number // 250}.{number % 250}" for number in range(1000))
    assert mentioned(flood) == tuple(f"10.0.0.{number}" for number in range(128))
    assert len(mentioned("a.b" * 100_000)) <= 128


def test_a_dot_behind_an_address_or_a_name_is_none_of_it() -> None:
    assert mentioned("192.0.2.9. Xen.example.com.") == ("192.0.2.9", "xen.example.com")


A, B, C = "ab" * 32, "cd" * 32, "ef" * 32
AT = "2026-11-25T12:00:00Z"

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


def test_each_field_of_a_pin_and_a_record_is_read_and_written() -> None:
    assert read_pin("worker-1", PIN_TEXT.encode()) == PIN
    assert written_pin(PIN) == PIN_TEXT
    assert read_record("worker-1", RECORD_TEXT.encode()) == RECORD
    assert written_record(RECORD) == RECORD_TEXT
    assert read_pin("worker-1", b'{"v":1}') == PinnedNode("worker-1", "", (), ())
    assert read_record("worker-1", b'{"v":1}') == RecordedNode("worker-1", "")


def test_an_address_is_kept_in_its_plainest_form_and_once() -> None:
    said = '"::ffff:10.0.0.5","FD00:0::5","10.0.0.5"'
    for text, read, known in ((PIN_TEXT, read_pin, PIN), (RECORD_TEXT, read_record, RECORD)):
        assert read("worker-1", text.replace('"10.0.0.5","fd00::5"', said).encode()) == known


def credentials(**said: Any) -> dict[str, Any]:
    return {"v": 1, "credentials": said}


def admission(**other: Any) -> dict[str, Any]:
    good = {"names": [], "addresses": [], "at": "2026-11-25T12:00:00Z", "rule": ""}
    return {"v": 1, "admitted": {**good, **other}}


LONG = "a" * 513
CUT = "'" + "a" * 80 + "...'"
NO_HASH = "Expected `str` matching regex '^(|[0-9a-f]{64})\\\\Z' - at `$.credentials."
NO_SHA = "Expected `str` matching regex '^[0-9a-f]{64}\\\\Z' - at `$.clientCertificates"
WRONG_PINS: dict[str, tuple[Any, str]] = {
    "cut off": ('{"v": 1', "not JSON (Input data was truncated)"),
    "deep": ('{"v": 1, "names": ' + "[" * 5000, "not JSON (maximum recursion depth exceeded while deserializing an object)"),
    "no version": ({}, "Object missing required field `v`"),
    "a hostile key": ({"v": 1, "x\n" + "y" * 4000: 1}, "Object contains unknown field `x\\n" + "y" * 166),
    "an address as a name": ({"v": 1, "names": ["10.0.0.5"]}, "name '10.0.0.5' (an address, not a name)"),
    "a network as an address": ({"v": 1, "addresses": ["10.0.0.0/8"]}, "address '10.0.0.0/8'"),
    "no object": ([], "Expected `object`, got `array`"),
    "newer": ({"v": 2}, "version 2"),
    "never was": ({"v": 0}, "version 0"),
    "unknown": ({"v": 1, "x": 1}, "Object contains unknown field `x`"),
    "a name in the entry": ({"v": 1, "node": "w"}, "Object contains unknown field `node`"),
    "uid": ({"v": 1, "uid": "a\nb"}, "uid 'a\\nb'"),
    "machine-id": ({"v": 1, "machineId": LONG}, f"machineId {CUT}"),
    "by": ({"v": 1, "by": LONG}, f"by {CUT}"),
    "name": ({"v": 1, "names": ["a", "*"]}, "name '*' (a wildcard)"),
    "names": ({"v": 1, "names": [f"n{i}" for i in range(65)]}, "65 names"),
    "address": ({"v": 1, "addresses": ["::1", "a" * 81]}, f"address {CUT}"),
    "zone": ({"v": 1, "addresses": ["fe80::1%1"]}, "address 'fe80::1%1'"),
    "addresses": ({"v": 1, "addresses": [f"10.0.0.{i}" for i in range(65)]}, "65 addresses"),
    "hash": ({"v": 1, "clientCertificates": [A, "AB" * 32]}, f"{NO_SHA}[1]`"),
    "short hash": ({"v": 1, "clientCertificates": ["ab" * 31]}, f"{NO_SHA}[0]`"),
    "not a digit": ({"v": 1, "clientCertificates": ["a" * 62 + "Xa"]}, f"{NO_SHA}[0]`"),
    "not a digit at the end": ({"v": 1, "clientCertificates": ["a" * 63 + "X"]}, f"{NO_SHA}[0]`"),
    "hashes": ({"v": 1, "clientCertificates": [f"{i:064x}" for i in range(65)]}, "65 clientCertificates"),
    "allowed": ({"v": 1, "names": ["a"], "allowed": ["a", "b"]}, "allowed: b"),
    "moment": ({"v": 1, "pinnedAt": "2026-11-25T12:00:00"}, "Expected `datetime` with a timezone component - at `$.pinnedAt`"),
}  # fmt: skip
WRONG_RECORDS: dict[str, tuple[Any, str]] = {
    "not UTF-8": (b'{"v": 1, "uid": "\xff"}', "not JSON ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"),
    "an unknown field of the credentials": (credentials(lent=True), "Object contains unknown field `lent` - at `$.credentials`"),
    "an unknown field of an admission": (admission(x=1), "Object contains unknown field `x` - at `$.admitted`"),
    "newer": ({"v": 2}, "version 2"),
    "unknown": ({"v": 1, "x": 1}, "Object contains unknown field `x`"),
    "uid": ({"v": 1, "uid": "a\nb"}, "uid 'a\\nb'"),
    "admitted without an offset": (admission(at="2026-11-25T12:00:00"), "Expected `datetime` with a timezone component - at `$.admitted.at`"),
    "admitted name": (admission(names=["*"]), "name '*' (a wildcard)"),
    "admitted address": (admission(addresses=["a"]), "address 'a'"),
    "rule": (admission(rule="a\n"), "rule 'a\\n'"),
    **{
        f"{field} without an offset": (
            credentials(**{field: "2026-11-25T12:00:00"}),
            f"Expected `datetime` with a timezone component - at `$.credentials.{field}`",
        )
        for field in ("created", "doubted", "earlier")
    },
    "allowed without an offset": (credentials(allowed=[{"certificate": A, "at": "2026-11-25T12:00:00"}]), "Expected `datetime` with a timezone component - at `$.credentials.allowed[0].at`"),
    "allowed": (credentials(allowed=[{"certificate": "a"}]), f"{NO_HASH}allowed[0].certificate`"),
    "parent": (credentials(allowed=[{"certificate": A, "parent": A.upper()}]), f"{NO_HASH}allowed[0].parent`"),
    "joined": (credentials(joined=f"{A}\n"), f"{NO_HASH}joined`"),
    "borrowed": (credentials(borrowed=["b" * 65]), f"{NO_HASH}borrowed[0]`"),
    "many that were borrowed": (credentials(borrowed=[A] * 6), "Expected `array` of length <= 5 - at `$.credentials.borrowed`"),
    "many that are allowed": (credentials(allowed=[{"certificate": A}] * 69), "Expected `array` of length <= 68 - at `$.credentials.allowed`"),
    "uid of the credentials": (credentials(uid=LONG), "Expected `str` of length <= 512 - at `$.credentials.uid`"),
}  # fmt: skip


def raw(said: Any) -> bytes:
    if isinstance(said, bytes):
        return said
    return (said if isinstance(said, str) else json.dumps(said)).encode()


@pytest.mark.parametrize("case", WRONG_PINS)
def test_a_bad_pin_holds_its_own_node_and_no_other(case: str) -> None:
    said, seen = WRONG_PINS[case]
    good = next(f"n{i}" for i in range(1000) if shard_of(PINS, f"n{i}") == "kubevouch-pins-1")
    text = raw(said).decode()
    found = read_pins("kubevouch-pins-1", {"worker-1": text, good: '{"v": 1}'})
    bad = found.entries["worker-1"]
    assert isinstance(bad, Unreadable)
    assert bad.seen == seen
    assert str(bad).startswith("kubevouch-pins-1, worker-1: ")
    assert str(bad).isprintable()
    assert found.problems == (str(bad),)
    assert found.entries[good] == PinnedNode(good, "", (), ())


@pytest.mark.parametrize("case", WRONG_RECORDS)
def test_a_bad_record_is_not_read(case: str) -> None:
    said, seen = WRONG_RECORDS[case]
    with pytest.raises(NotAnEntry) as error:
        read_record("worker-1", raw(said))
    assert error.value.seen == seen


@pytest.mark.parametrize(
    ("write", "value", "seen"),
    [
        (written_pin, PinnedNode("w", "", ("*",), ()), "name '*' (a wildcard)"),
        (written_record, RecordedNode("w", "a\nb"), "uid 'a\\nb'"),
        (
            written_record,
            RecordedNode("w", "", Admitted(("*",), (), NOW, "")),
            "name '*' (a wildcard)",
        ),
    ],
)
def test_what_could_not_be_read_again_is_not_written(write: Any, value: Any, seen: str) -> None:
    with pytest.raises(NotAnEntry) as error:
        write(value)
    assert error.value.seen == seen


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "pinned"),
        ({"pinned_at": NOW}, "pinned on 2026-11-25"),
        ({"by": "alice"}, "pinned by alice"),
        ({"pinned_at": NOW, "by": "alice"}, "pinned on 2026-11-25 by alice"),
    ],
)
def test_how_a_pin_is_called(said: dict[str, Any], words: str) -> None:
    assert str(PinnedNode("w", "", (), (), **said)) == words


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


def test_an_entry_of_sixteen_kibibytes_is_read_and_one_more_byte_is_not() -> None:
    text = '{"v":1' + " " * (16 * 1024 - 7) + "}"
    name = "kubevouch-pins-1"
    assert read_pins(name, {"worker-1": text}).entries == {
        "worker-1": PinnedNode("worker-1", "", (), ())
    }
    # Two bytes of UTF-8 for one character: bytes are counted.
    for more in (text + " ", text[:-1].replace("  ", " ä", 1) + "}"):
        assert read_pins(name, {"worker-1": more}).entries == {
            "worker-1": Unreadable(f"{name}, worker-1", "16385 bytes", "expected at most 16384")
        }


def test_each_entry_is_read_by_itself() -> None:
    found = read_pins("kubevouch-pins-1", {"cp-1": "{", "worker-1": PIN_TEXT})
    assert found.entries == {
        "cp-1": Unreadable(
            "kubevouch-pins-1, cp-1", "in the wrong ConfigMap", "expected kubevouch-pins-12"
        ),
        "worker-1": PIN,
    }
    assert read_recorded("kubevouch-recorded-1", {"worker-1": "{"}).entries == {
        "worker-1": Unreadable(
            "kubevouch-recorded-1, worker-1",
            "not JSON (Input data was truncated)",
            "expected an entry in kubevouch's format",
        )
    }


def test_what_is_quoted_of_an_entry_is_bounded_and_prints_on_one_line() -> None:
    error = NotAnEntry("\n" + "a" * 300, "b")
    assert error.seen == "\\n" + "a" * 198
    assert error.expected == "b"
    assert error.args == ("\n" + "a" * 300, "b")
