"""inventory.yaml and configuration.yaml: what they say, and that a bad line holds as little as it can."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    IdentitySource,
    NewNodeRule,
    read_configuration,
    with_configured,
)
from kubevouch.policy.sources.nodes import InventoryNode, read_inventory
from kubevouch.policy.sources.stored import Shard, Unreadable
from tests.policy.kubeadm_cluster import NAMES
from tests.support.bombs import ALIASES
from tests.support.unhurried import examples


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "schemaVersion None"),
        ("[]", "schemaVersion None"),
        ("schemaVersion: kubevouch.inventory/2\nnodes: {}", "schemaVersion 'kubevouch.inventory/2'"),
        ("schemaVersion: kubevouch.inventory/1", "no mapping of nodes"),
        ("schemaVersion: kubevouch.inventory/1\nnodes: []", "no mapping of nodes"),
        ("schemaVersion: kubevouch.inventory/1\nnode: {}", "'node'"),
        ("a: [", "not YAML"),
        (ALIASES, ""),
        ("schemaVersion: kubevouch.inventory/1\nnodes:\n" + "".join(f" n{i}:\n" for i in range(20_001)), "20001 nodes"),
        ("a: \ud800", ""),
    ],
)  # fmt: skip
def test_an_inventory_that_is_not_readable_as_a_whole_says_why(text: str, seen: str) -> None:
    found = read_inventory(text)
    assert isinstance(found, Unreadable)
    assert seen in found.seen
    assert found.where == "kubevouch-inventory, inventory.yaml"


@pytest.mark.parametrize(
    ("rest", "seen"),
    [
        ("nodes: {w1: {addresses: [10.0.0.1]}, w1: {addresses: [10.0.0.2]}}", "line 2: nodes.w1 again"),
        ("nodes:\n  w1: {names: [a], names: [b]}", "line 3: nodes.w1.names again"),
        ("nodes: {}\n---\nnodes: {w1: {}}", "line 3: another document"),
    ],
)  # fmt: skip
def test_an_inventory_that_says_two_things_says_nothing(rest: str, seen: str) -> None:
    found = read_inventory(f"schemaVersion: kubevouch.inventory/1\n{rest}")
    assert isinstance(found, Unreadable)
    assert (found.seen, found.expected) == (seen, "expected one document with each key once")


def test_an_inventory_may_merge_one_nodes_lines_into_another() -> None:
    lines = "nodes:\n  w1: &all {addresses: [10.0.0.1]}\n  w2: {<<: *all, names: [w2]}"
    found = read_inventory(f"schemaVersion: kubevouch.inventory/1\n{lines}")
    assert isinstance(found, Shard)
    assert found.entries["w2"] == InventoryNode(names=("w2",), addresses=("10.0.0.1",))


def test_without_anything_said_only_what_is_written_down_or_served_counts() -> None:
    found = read_configuration("schemaVersion: kubevouch.approver/1")
    assert found == ApproverConfiguration()
    assert found.sources == (IdentitySource.INVENTORY, IdentitySource.PINS, IdentitySource.RENEWAL)
    assert found.max_lifetime == timedelta(days=366)


def test_what_the_configuration_tells_of_the_cluster_comes_besides_its_own_names() -> None:
    said = read_configuration(
        "schemaVersion: kubevouch.approver/1\n"
        "clusterDomain: corp.example\nserviceCIDRs: [10.200.0.0/16]\npodCIDRs: [10.100.0.0/16]\n"
    )
    assert isinstance(said, ApproverConfiguration)
    names = with_configured(NAMES, said)
    assert names.domains == ("cluster.local", "corp.example")
    assert names.service_networks == (ip_network("10.96.0.0/12"), ip_network("10.200.0.0/16"))
    assert names.pod_networks == (ip_network("10.244.0.0/16"), ip_network("10.100.0.0/16"))
    assert with_configured(NAMES, ApproverConfiguration()) == NAMES


@examples(200)
@given(text=st.text(max_size=200))
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    head = "schemaVersion: kubevouch.approver/1\n"
    assert isinstance(read_configuration(head + text), ApproverConfiguration | Unreadable)
    assert isinstance(read_inventory(head + text), Shard | Unreadable)


HEAD = "schemaVersion: kubevouch.approver/1\n"
LISTED = "schemaVersion: kubevouch.inventory/1\n"
DEFAULT = (IdentitySource.INVENTORY, IdentitySource.PINS, IdentitySource.RENEWAL)
TEN = ip_network("10.0.0.0/8")


def test_each_field_of_the_inventory_is_read_and_a_bad_node_stands_alone() -> None:
    text = LISTED + (
        "nodes:\n"
        '  worker-1: {names: [worker-1, shop], addresses: ["::ffff:10.0.0.1", "fd00::1"], machineId: m-1}\n'
        "  worker-2: {}\n"
        '  "a\\nb": {}\n'
        "  worker-4: {names: ['*']}\n"
        "  worker-5: {addresses: [there]}\n"
        '  worker-6: {machineId: "a\\nb"}\n'
        "  worker-7: {machineID: m-1}\n"
        "  worker-8:\n"
        "  worker-9: {names: [1]}\n"
    )
    bad = {
        "a\nb": "node 'a\\nb'",
        "worker-4": "name '*' (a wildcard)",
        "worker-5": "address 'there'",
        "worker-6": "machineId 'a\\nb'",
        "worker-7": "Object contains unknown field `machineID`",
        "worker-8": "Expected `object`, got `null`",
        "worker-9": "Expected `str`, got `int` - at `$.names[0]`",
    }
    found = read_inventory(text)
    assert isinstance(found, Shard)
    good = {name: each for name, each in found.entries.items() if name not in bad}
    assert good == {
        "worker-1": InventoryNode(("worker-1", "shop"), ("10.0.0.1", "fd00::1"), "m-1"),
        "worker-2": InventoryNode(),
    }
    assert list(bad) == [name for name in found.entries if name not in good]
    starts = zip(found.problems, bad.items(), strict=True)
    assert all(
        said.startswith(f"kubevouch-inventory, inventory.yaml, {name}: {seen}; ")
        for said, (name, seen) in starts
    )


def test_each_field_of_the_configuration_is_read() -> None:
    said = HEAD + (
        "sources: [renewal, pins, new-nodes, inventory]\n"
        "newNodes: [{names: w-*, cidrs: [10.0.0.0/8, 'fd00::/64'], perHour: 5}]\n"
        "clusterDomain: .Xen.Corp.\n"
        "serviceCIDRs: [10.96.0.0/12, 'fd00:96::/112']\n"
        "podCIDRs: [10.244.0.0/16, 'fd00:97::/56']\n"
        "maxLifetime: 36h\n"
    )
    assert read_configuration(said) == ApproverConfiguration(
        sources=(*DEFAULT, IdentitySource.NEW_NODES),
        new_nodes=(NewNodeRule("w-*", (TEN, ip_network("fd00::/64")), 5),),
        cluster_domain="xen.corp",
        service_networks=(ip_network("10.96.0.0/12"), ip_network("fd00:96::/112")),
        pod_networks=(ip_network("10.244.0.0/16"), ip_network("fd00:97::/56")),
        max_lifetime=timedelta(hours=36),
        problems=(),
    )


RIGHT = {
    "sources: [pins, new-nodes]": ("sources", (IdentitySource.PINS, IdentitySource.NEW_NODES)),
    "serviceCIDRs: [" + "10.0.0.0/8, " * 64 + "]": ("service_networks", (TEN,) * 64),
    "maxLifetime: 1h": ("max_lifetime", timedelta(hours=1)),
    "maxLifetime: 999999h": ("max_lifetime", timedelta(hours=999_999)),
    "maxLifetime: 90d": ("max_lifetime", timedelta(days=90)),
    "clusterDomain: .": ("cluster_domain", ""),
    "newNodes: [" + ",".join(f"{{names: n{i}, cidrs: [10.0.0.0/8], perHour: 1}}" for i in range(64)) + "]":
        ("new_nodes", tuple(NewNodeRule(f"n{i}", (TEN,), 1) for i in range(64))),
    "# " + "x" * (65_536 - len(HEAD) - 2): ("problems", ()),
}  # fmt: skip
WRONG = {
    "sources: []": "no source",
    "sources: [pins, dns]": "sources: 'dns'",
    "sources: [pin]": "sources: 'pin'",
    "sources: [pins]\nsources: [renewal]": "line 3: sources again",
    "maxLifetime: 90": "Expected `str`, got `int` - at `$.maxLifetime`",
    "maxLifetime: 0d": "maxLifetime '0d'",
    "maxLifetime: 1000000h": "maxLifetime '1000000h'",
    "maxLifetime: " + "h" * 81: f"maxLifetime '{'h' * 80}'",
    "zzz: 1\nmaxLifetme: 1": "'maxLifetme'",
    "zzz: 1\nyyy: 2": "'yyy'",
    "serviceCIDRs: [10.96.0.1/12]": "serviceCIDRs: 10.96.0.1/12 has host bits set",
    "serviceCIDRs: [" + "10.0.0.0/8, " * 65 + "]": "65 serviceCIDRs",
    "podCIDRs: [10.244.0.1/16]": "podCIDRs: 10.244.0.1/16 has host bits set",
    "clusterDomain: '*.corp'": "clusterDomain '*.corp' (a wildcard)",
    "clusterDomain: " + "a" * 81: f"clusterDomain '{'a' * 80}' (not an RFC 1123 name)",
    'clusterDomain: "a\\nb"': "clusterDomain 'a\\nb'",
    "newNodes: [" + "{}, " * 65 + "]": "65 rules for new nodes",
    "newNodes: {}": "Expected `array`, got `object` - at `$.newNodes`",
    "# " + "x" * (65_537 - len(HEAD) - 2): "65537 characters",
}  # fmt: skip


@pytest.mark.parametrize("line", RIGHT)
def test_what_a_line_of_the_configuration_sets(line: str) -> None:
    field, value = RIGHT[line]
    found = read_configuration(HEAD + line)
    assert isinstance(found, ApproverConfiguration)
    assert getattr(found, field) == value


@pytest.mark.parametrize("line", WRONG)
def test_with_a_wrong_configuration_nothing_counts(line: str) -> None:
    found = read_configuration(HEAD + line)
    assert isinstance(found, Unreadable)
    assert found.seen == WRONG[line]
    assert found.where == "kubevouch-approver, configuration.yaml"
    near = {
        "sources: [pin]": "did you mean pins?",
        "zzz: 1\nmaxLifetme: 1": "did you mean maxLifetime?",
    }
    assert found.expected == near.get(line, found.expected)


@pytest.mark.parametrize(
    "text", ["", "[1]", "3", "schemaVersion: kubevouch.approver/2", "a: \ud800", "a: ["]
)
def test_another_version_is_not_guessed_at(text: str) -> None:
    assert isinstance(read_configuration(text), Unreadable)


GOOD_RULES = {
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1}": NewNodeRule("db-*", (TEN,), 1),
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1000}": NewNodeRule("db-*", (TEN,), 1000),
    "{names: " + "a" * 253 + ", cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("a" * 253, (TEN,), 2),
    "{names: '0*', cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("0*", (TEN,), 2),
    "{names: '*-a9z-?', cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("*-a9z-?", (TEN,), 2),
    "{names: 'x.?', cidrs: [" + "10.0.0.0/8, " * 64 + "], perHour: 2}": NewNodeRule("x.?", (TEN,) * 64, 2),
}  # fmt: skip
BAD_RULES = {
    "{names: '*.?', cidrs: [10.0.0.0/8], perHour: 1}": "names '*.?'",
    "{names: '*-*', cidrs: [10.0.0.0/8], perHour: 1}": "names '*-*'",
    "{names: '-a*', cidrs: [10.0.0.0/8], perHour: 1}": "names '-a*'",
    "{names: '?ab-cd*', cidrs: [10.0.0.0/8], perHour: 1}": "names '?ab-cd*'",
    "{names: '*1', cidrs: [10.0.0.0/8], perHour: 1}": "names '*1'",
    "{names: db-*, cidrs: [10.0.0.0/8, 0.0.0.0/0], perHour: 1}": "cidrs: 0.0.0.0/0",
    "{names: db-*, cidrs: ['::/0'], perHour: 1}": "cidrs: ::/0",
    "{names: W-*, cidrs: [10.0.0.0/8], perHour: 1}": "names 'W-*'",
    "{names: " + "a" * 254 + ", cidrs: [10.0.0.0/8], perHour: 1}": f"names '{'a' * 80}'",
    "{names: w-*, cidrs: [10.0.0.0/8], perHour: 1}": "names 'w-*' again",
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 0}": "perHour 0",
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1001}": "perHour 1001",
    "{names: db-*, cidrs: [], perHour: 1}": "no cidrs",
    "{names: db-*, cidrs: [10.0.0.1/8], perHour: 1}": "cidrs: 10.0.0.1/8 has host bits set",
    "{names: db-*, cidrs: [" + "10.0.0.0/8, " * 65 + "], perHour: 1}": "65 cidrs",
    "{names: db-*, cidrs: [10.0.0.0/8]}": "Object missing required field `perHour`",
    "{name: db-*}": "Object contains unknown field `name`",
    "db-*": "Expected `object`, got `str`",
}  # fmt: skip
FIRST = NewNodeRule("w-*", (TEN,), 3)


@pytest.mark.parametrize("rule", GOOD_RULES)
def test_a_rule_for_new_nodes_is_read_as_it_stands(rule: str) -> None:
    found = read_configuration(
        f"{HEAD}newNodes: [{{names: w-*, cidrs: [10.0.0.0/8], perHour: 3}}, {rule}]"
    )
    assert found == ApproverConfiguration(new_nodes=(FIRST, GOOD_RULES[rule]))


@pytest.mark.parametrize("rule", BAD_RULES)
def test_a_bad_rule_for_new_nodes_admits_nobody_and_the_others_count(rule: str) -> None:
    found = read_configuration(
        f"{HEAD}newNodes: [{{names: w-*, cidrs: [10.0.0.0/8], perHour: 3}}, {rule}]"
    )
    assert isinstance(found, ApproverConfiguration)
    assert found.new_nodes == (FIRST,)
    [problem] = found.problems
    where = "kubevouch-approver, configuration.yaml, newNodes 2: "
    assert problem.startswith(f"{where}{BAD_RULES[rule]}; ")


def test_an_inventory_of_twenty_thousand_nodes_is_read_and_one_of_more_is_not() -> None:
    nodes = ",".join(f'"n{number}":{{}}' for number in range(20_000))
    text = f'{{"schemaVersion":"kubevouch.inventory/1","nodes":{{{nodes}%s}}}}'
    found = read_inventory(text % "")
    assert isinstance(found, Shard)
    assert len(found.entries) == 20_000
    assert found.problems == ()
    assert getattr(read_inventory(text % ',"more":{}'), "seen", "") == "20001 nodes"
