"""The sources as watched ConfigMaps hold them: only what has changed is read again, and what we wrote is not undone."""

import json
from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from kubevouch.kube.resources import ConfigMap, Metadata
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.sources.configuration import why_unreadable
from kubevouch.policy.sources.nodes import PinnedNode, credentials_in, read_pins
from kubevouch.policy.sources.stored import Shard, Unreadable, shard_of
from kubevouch.policy.sources.watched import EVERY_NODE, Shards, WatchedSources, is_source


def config_map(name: str, data: dict[str, str], version: str = "1") -> ConfigMap:
    return ConfigMap(metadata=Metadata(name=name, resource_version=version), data=data)


def pin(*addresses: str) -> str:
    return json.dumps({"v": 1, "names": [], "addresses": addresses})


PINS = shard_of("kubevouch-pins", "n1")


def test_only_the_nodes_whose_entry_has_changed_are_concerned() -> None:
    sources = WatchedSources()
    others = [name for name in map(str, range(200)) if shard_of("kubevouch-pins", name) == PINS]
    data = {name: pin("192.0.2.1") for name in ("n1", *others)}
    assert set(sources.put(config_map(PINS, data)) or ()) == set(data)
    changed = {**data, "n1": pin("192.0.2.2")}
    assert sources.put(config_map(PINS, changed, "2")) == {"n1"}
    found = sources.current.pins["n1"]
    assert isinstance(found, PinnedNode)
    assert found.addresses == ("192.0.2.2",)
    del changed[others[0]]
    assert sources.put(config_map(PINS, changed, "3")) == {others[0]}
    assert others[0] not in sources.current.pins
    assert set(sources.remove(PINS) or ()) == set(changed)
    assert not sources.current.pins


def test_only_the_entries_that_have_changed_are_read() -> None:
    read: list[set[str]] = []

    def reading(name: str, data: Mapping[str, str]) -> Shard[PinnedNode]:
        read.append(set(data))
        return read_pins(name, data)

    shards = Shards(reading)
    data = {"n1": pin("192.0.2.1"), "elsewhere": "{"}
    _, problems = shards.put(PINS, data)
    assert shards.put(PINS, data) == (set(), problems)
    assert shards.put(PINS, {**data, "n1": pin("192.0.2.2")}) == ({"n1"}, problems)
    assert shards.put(PINS, {"elsewhere": "{"}) == ({"n1"}, problems)
    assert read == [{"n1", "elsewhere"}, set(), {"n1"}, set()]


def test_what_we_wrote_ourselves_is_not_undone_by_an_older_version() -> None:
    sources, name = WatchedSources(), shard_of("kubevouch-recorded", "n1")
    new, old = json.dumps({"v": 1, "uid": "new"}), json.dumps({"v": 1, "uid": "old"})
    sources.put(config_map(name, {"n1": old}, "8"))
    sources.wrote(config_map(name, {"n1": new}, "10"))
    assert sources.put(config_map(name, {"n1": old}, "9")) == ()
    assert dict(sources.records())["n1"].uid == "new"
    sources.put(config_map(name, {"n1": new}, "10"))
    assert dict(sources.records())["n1"].uid == "new"


@pytest.mark.parametrize("version", ["9", "10"])
def test_what_the_watch_has_shown_is_not_undone_by_an_earlier_write(
    version: str,
) -> None:
    sources, name = WatchedSources(), shard_of("kubevouch-recorded", "n1")
    new, old = json.dumps({"v": 1, "uid": "new"}), json.dumps({"v": 1, "uid": "old"})
    sources.put(config_map(name, {"n1": new}, "10"))
    assert sources.wrote(config_map(name, {"n1": old}, version)) == ()
    assert dict(sources.records())["n1"].uid == "new"


def test_after_etcd_was_restored_what_there_is_counts_though_it_is_older() -> None:
    sources, records = WatchedSources(), shard_of("kubevouch-recorded", "n1")
    sources.wrote(config_map(records, {"n1": json.dumps({"v": 1, "uid": "new"})}, "900"))
    sources.put(config_map(records, {"n1": json.dumps({"v": 1, "uid": "new"})}, "900"))
    sources.put(config_map(PINS, {"n1": pin("192.0.2.1")}, "900"))
    assert sources.put(config_map(PINS, {"n1": pin("192.0.2.2")}, "500")) == {"n1"}
    found = sources.current.pins["n1"]
    assert isinstance(found, PinnedNode)
    assert found.addresses == ("192.0.2.2",)
    assert sources.put(config_map(PINS, {}, "501")) == {"n1"}
    assert sources.put(config_map(records, {"n1": json.dumps({"v": 1, "uid": "old"})}, "400"))
    assert dict(sources.records())["n1"].uid == "old"


def test_one_entry_that_cannot_be_read_is_told_and_disables_no_other() -> None:
    sources = WatchedSources()
    sources.put(config_map(PINS, {"n1": "{", "elsewhere": pin("192.0.2.9")}))
    assert isinstance(sources.current.pins["n1"], Unreadable)
    assert any("n1" in each for each in sources.problems[PINS])
    right = shard_of("kubevouch-pins", "elsewhere")
    if right != PINS:
        sources.put(config_map(right, {"elsewhere": pin("192.0.2.9")}))
        assert isinstance(sources.current.pins["elsewhere"], PinnedNode)
    sources.put(config_map(PINS, {"n1": pin("192.0.2.1")}, "2"))
    assert PINS not in sources.problems


def test_a_config_map_with_too_many_entries_counts_for_none_of_them() -> None:
    sources = WatchedSources()
    sources.put(config_map(PINS, {"n1": pin("192.0.2.1")}))
    flood = {str(number): "{}" for number in range(10_001)}
    concerned = sources.put(config_map(PINS, {**flood, "n1": pin("192.0.2.1")}, "2"))
    assert concerned is not EVERY_NODE
    assert "n1" in concerned
    assert isinstance(sources.current.pins["n1"], Unreadable)
    sources.put(config_map(PINS, {"n1": pin("192.0.2.1")}, "3"))
    assert isinstance(sources.current.pins["n1"], PinnedNode)


def test_inventory_and_configuration_concern_every_node() -> None:
    sources = WatchedSources()
    listed = {
        "schemaVersion": "kubevouch.inventory/1",
        "nodes": {"n1": {"names": ["n1"], "addresses": ["192.0.2.1"]}},
    }
    text = {"inventory.yaml": json.dumps(listed)}
    assert sources.put(config_map("kubevouch-inventory", text)) is EVERY_NODE
    asked = AskedNames(addresses=(ip_address("192.0.2.1"),))
    assert [owner for owner, _ in sources.written.among(asked)] == ["n1"]
    only_pins = {"configuration.yaml": "schemaVersion: kubevouch.approver/1\nsources: [pins]"}
    assert sources.put(config_map("kubevouch-approver", only_pins)) is EVERY_NODE
    assert not list(sources.written.among(asked))
    assert sources.remove("kubevouch-approver") is EVERY_NODE
    assert list(sources.written.among(asked))
    assert sources.put(config_map("somebody-elses", {"a": "b"})) == ()


def test_a_pin_is_of_the_node_whose_uid_it_names() -> None:
    sources = WatchedSources()
    for name, uid in (("n1", ""), ("n2", "uid-2")):
        sources.put(
            config_map(shard_of("kubevouch-pins", name), {name: json.dumps({"v": 1, "uid": uid})})
        )
    assert sources.pin_of("n1", "uid-1") is not None
    assert sources.pin_of("n2", "uid-2") is not None
    assert sources.pin_of("n2", "uid-3") is None
    assert sources.pin_of("n3", "") is None


def test_what_is_read_by_its_name_alone() -> None:
    ours = (PINS, "kubevouch-recorded-0", "kubevouch-inventory", "kubevouch-approver")
    assert all(map(is_source, ours))
    assert not is_source("kubevouch-pins-16")


def test_what_takes_effect_is_told_once() -> None:
    sources = WatchedSources()
    sources.put(config_map(PINS, {"n1": pin("192.0.2.1")}))
    assert sources.take_touched() == {ip_address("192.0.2.1")}
    assert sources.take_touched() == set()


def test_the_nodes_that_pins_name_by_their_uid() -> None:
    sources = WatchedSources()
    sources.put(config_map(PINS, {"n1": json.dumps({"v": 1, "uid": "u"}), "n2": "{"}))
    assert list(sources.pinned_uids()) == [("n1", "u")]


def test_a_configuration_is_unreadable_only_where_there_is_one() -> None:
    assert why_unreadable(None) is None
    assert why_unreadable("schemaVersion: kubevouch.approver/1") is None
    assert isinstance(why_unreadable("[]"), Unreadable)


def test_a_record_that_cannot_be_read_may_be_of_an_earlier_node() -> None:
    assert credentials_in(Unreadable("", "", "")).earlier is not None
    assert credentials_in(None).earlier is None


def test_an_inventory_that_is_gone_has_no_problems() -> None:
    sources = WatchedSources()
    sources.put(config_map("kubevouch-inventory", {"inventory.yaml": "[]"}))
    assert set(sources.problems) == {"kubevouch-inventory"}
    sources.remove("kubevouch-inventory")
    assert not sources.problems
