"""Pins and records as entries of ConfigMaps: what is written is read again, and what cannot be read holds its node only."""

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch.policy.credentials import MOST, AllowedCertificate, NodeCredentials
from kubevouch.policy.sources.pinned import PINS, PinnedNode, read_pin, read_pins, written_pin
from kubevouch.policy.sources.recorded import (
    RECORDED,
    Admitted,
    RecordedNode,
    read_record,
    read_recorded,
    written_record,
)
from kubevouch.policy.sources.stored import (
    LARGEST_ENTRY,
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

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
names = st.builds(lambda a, b: f"{a}.{b}.example", labels, labels)
addresses = st.ip_addresses().map(str).filter(lambda a: not a.startswith("::ffff:"))
moments = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - made aware below
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
texts = st.text(st.characters(categories=["L", "N", "P"]), max_size=40)


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=5, unique=True).map(tuple)


pins = st.builds(
    PinnedNode,
    node=names,
    uid=texts,
    names=several(names),
    addresses=several(addresses),
    machine_id=texts,
    client_certificates=several(hashes),
    pinned_at=st.none() | moments,
    by=texts,
)
records = st.builds(
    RecordedNode,
    node=names,
    uid=texts,
    admitted=st.none() | st.builds(Admitted, several(names), several(addresses), moments, texts),
    credentials=st.builds(
        NodeCredentials,
        uid=texts,
        created=st.none() | moments,
        allowed=st.lists(
            st.builds(AllowedCertificate, hashes, hashes | st.just(""), moments), max_size=MOST
        ).map(tuple),
        joined=hashes | st.just(""),
        closed=st.booleans(),
        borrowed=st.lists(hashes, max_size=MOST).map(tuple),
        doubted=st.none() | moments,
        earlier=st.none() | moments,
    ),
)


def test_a_config_map_of_ours_says_whose_it_is_and_what_it_holds() -> None:
    assert labels_of("pins") == {
        "app.kubernetes.io/part-of": "kubevouch",
        "kubevouch.dev/holds": "pins",
    }


@settings(deadline=None)
@given(pin=pins)
def test_a_pin_is_read_as_it_was_written(pin: PinnedNode) -> None:
    name = shard_of(PINS, pin.node)
    assert read_pins(name, {pin.node: written_pin(pin)}).entries == {pin.node: pin}


@settings(deadline=None)
@given(record=records)
def test_a_record_is_read_as_it_was_written(record: RecordedNode) -> None:
    name = shard_of(RECORDED, record.node)
    assert read_recorded(name, {record.node: written_record(record)}).entries == {
        record.node: record
    }


def test_an_entry_is_json_that_people_read() -> None:
    pin = PinnedNode(
        "worker-1", "uid-1", ("worker-1",), ("10.0.0.5",), "m-1", ("ab" * 32,), NOW, "alice"
    )
    assert json.loads(written_pin(pin)) == {
        "v": 1,
        "uid": "uid-1",
        "names": ["worker-1"],
        "addresses": ["10.0.0.5"],
        "machineId": "m-1",
        "clientCertificates": ["ab" * 32],
        "pinnedAt": "2026-11-25T12:00:00Z",
        "by": "alice",
    }
    record = RecordedNode(
        "worker-1",
        "uid-1",
        Admitted(("worker-1",), ("10.0.0.5",), NOW, "worker-*"),
        NodeCredentials("uid-1", NOW, closed=True, borrowed=("cd" * 32,), doubted=NOW),
    )
    assert json.loads(written_record(record)) == {
        "v": 1,
        "uid": "uid-1",
        "admitted": {
            "names": ["worker-1"],
            "addresses": ["10.0.0.5"],
            "at": "2026-11-25T12:00:00Z",
            "rule": "worker-*",
        },
        "credentials": {
            "uid": "uid-1",
            "created": "2026-11-25T12:00:00Z",
            "closed": True,
            "borrowed": ["cd" * 32],
            "doubted": "2026-11-25T12:00:00Z",
        },
    }


@pytest.mark.parametrize("node", SHARDS)
def test_the_shard_is_the_first_digit_of_the_names_sha256(node: str) -> None:
    assert shard_of(PINS, node) == f"kubevouch-pins-{SHARDS[node]}"


def test_a_role_can_name_all_shards() -> None:
    assert shard_names(RECORDED)[0] == "kubevouch-recorded-0"
    assert shard_names(RECORDED)[-1] == "kubevouch-recorded-15"
    assert len(set(shard_names(RECORDED))) == 16
    assert all(shard_of(RECORDED, f"n{i}") in shard_names(RECORDED) for i in range(200))


BAD_PINS: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "not JSON"),
    "no object": ([], "Expected `object`"),
    "no version": ({}, "missing required field `v`"),
    "a newer version": ({"v": 2, "new": 1}, "version 2; this kubevouch reads version 1; a newer one wrote it"),
    "a version that never was": ({"v": 0}, "version 0; version 1 was expected"),
    "an unknown field": ({"v": 1, "adresses": []}, "unknown field `adresses`"),
    "another type": ({"v": 1, "names": "worker-1"}, "Expected `array`"),
    "a wildcard": ({"v": 1, "names": ["*.example.com"]}, "name '*.example.com' (a wildcard)"),
    "an address as a name": ({"v": 1, "names": ["10.0.0.5"]}, "name '10.0.0.5' (an address, not a name)"),
    "a name as an address": ({"v": 1, "addresses": ["worker-1"]}, "address 'worker-1'"),
    "a network as an address": ({"v": 1, "addresses": ["10.0.0.0/8"]}, "address '10.0.0.0/8'"),
    "a zone": ({"v": 1, "addresses": ["fe80::1%eth0"]}, "address 'fe80::1%eth0'"),
    "many addresses": ({"v": 1, "addresses": [f"10.0.0.{i}" for i in range(65)]}, "65 addresses"),
    "many names": ({"v": 1, "names": [f"n{i}" for i in range(65)]}, "65 names"),
    "no hash": ({"v": 1, "clientCertificates": ["AB" * 32]}, "client certificate 'ABAB"),
    "a short hash": ({"v": 1, "clientCertificates": ["ab"]}, "client certificate 'ab'"),
    "an escape": ({"v": 1, "by": "al\x1b[2Jice"}, "by 'al\\x1b[2Jice'"),
    "a long text": ({"v": 1, "by": "a" * 513}, "by 'aaaa"),
    "a moment of no place": ({"v": 1, "pinnedAt": "2026-11-25T12:00:00"}, "pinnedAt 2026-11-25"),
    "a flood": ({"v": 1, "by": "a" * LARGEST_ENTRY}, f"at most {LARGEST_ENTRY} are read"),
    "deep": ('{"v": 1, "names": ' + "[" * 5000, "not JSON"),
    "a hostile key": ({"v": 1, "x\n" + "y" * 4000: 1}, "unknown field `x\\nyyy"),
}  # fmt: skip
STRANGE = {
    "admitted without an offset": {"v": 1, "admitted": {"names": [], "addresses": [], "at": "2026-11-25T12:00:00", "rule": ""}},
    "a moment without an offset": {"v": 1, "credentials": {"created": "2026-11-25T12:00:00"}},
    "an unknown field": {"v": 1, "credentials": {"lent": True}},
    "many that were borrowed": {"v": 1, "credentials": {"borrowed": [f"{i:064x}" for i in range(6)]}},
    "one that is no hash": {"v": 1, "credentials": {"borrowed": ["\n"]}},
    "an unknown field of an admission": {"v": 1, "admitted": {"names": [], "addresses": [], "at": "2026-11-25T12:00:00Z", "rule": "", "x": 1}},
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PINS)
def test_a_bad_entry_holds_its_own_node_and_no_other(case: str) -> None:
    said, seen = BAD_PINS[case]
    good = next(f"n{i}" for i in range(1000) if shard_of(PINS, f"n{i}") == "kubevouch-pins-1")
    text = said if isinstance(said, str) else json.dumps(said)
    found = read_pins(
        "kubevouch-pins-1", {"worker-1": text, good: '{"v": 1, "addresses": ["::1"]}'}
    )
    bad = found.entries["worker-1"]
    assert isinstance(bad, Unreadable)
    assert seen in str(bad)
    assert str(bad).startswith("kubevouch-pins-1, worker-1: ")
    assert str(bad).isprintable()
    assert len(str(bad)) < 600
    assert found.problems == (str(bad),)
    assert found.entries[good] == PinnedNode(good, "", (), ("::1",))


@pytest.mark.parametrize("case", STRANGE)
def test_a_bad_record_is_not_read(case: str) -> None:
    with pytest.raises(NotAnEntry):
        read_record("worker-1", json.dumps(STRANGE[case]).encode())


@given(raw=st.binary(max_size=300))
def test_whatever_bytes_stand_there_the_answer_is_an_entry_or_why_not(raw: bytes) -> None:
    for read in (read_pin, read_record):
        with contextlib.suppress(NotAnEntry):
            read("worker-1", raw)


def test_an_address_is_kept_in_its_plainest_form_and_once() -> None:
    raw = b'{"v": 1, "addresses": ["::ffff:10.0.0.5", "10.0.0.5", "FD00:0::5"]}'
    assert read_pin("worker-1", raw).addresses == ("10.0.0.5", "fd00::5")


def test_an_entry_in_a_wrong_configmap_is_not_read() -> None:
    wrong = read_pins("kubevouch-pins-8", {"worker-1": '{"v": 1}'})
    assert isinstance(wrong.entries["worker-1"], Unreadable)
    assert wrong.problems == (
        "kubevouch-pins-8, worker-1: in the wrong ConfigMap; kubevouch-pins-1 was expected",
    )


def test_a_flooded_configmap_counts_as_a_whole() -> None:
    data = {f"n{i}": "{}" for i in range(MOST_ENTRIES + 1)}
    found: Shard[PinnedNode] = read_pins("kubevouch-pins-8", data)
    assert found.problems == ("kubevouch-pins-8: 10001 entries; at most 10000 are read",)
    assert all(isinstance(each, Unreadable) for each in found.entries.values())


def test_what_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(NotAnEntry):
        written_pin(PinnedNode("worker-1", "", ("*",), ()))
    with pytest.raises(NotAnEntry):
        written_record(RecordedNode("worker-1", "a\nb"))


def test_how_a_pin_is_called() -> None:
    assert str(PinnedNode("w", "", (), ())) == "pinned"
    assert str(PinnedNode("w", "", (), (), pinned_at=NOW)) == "pinned on 2026-11-25"
    assert str(PinnedNode("w", "", (), (), by="alice")) == "pinned by alice"


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
def test_a_pin_with_a_field_twice_is_read_by_nobody_and_all_its_addresses_are_its_own(
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


def test_what_an_operator_allowed_stays_in_the_pin() -> None:
    pin = PinnedNode("w1", "", ("w1",), ("192.0.2.1",), allowed=("192.0.2.1",))
    assert read_pin("w1", written_pin(pin).encode()) == pin
