"""inventory.yaml and configuration.yaml: what they say, and that a bad line holds as little as it can."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    DenyMode,
    SourceWord,
    read_configuration,
    with_configured,
)
from kubevouch.policy.sources.inventory import Inventory, InventoryNode, read_inventory
from kubevouch.policy.sources.new_nodes import NewNodeRule
from kubevouch.policy.sources.stored import Unreadable
from tests.policy.kubeadm_cluster import NAMES
from tests.support.bombs import ALIASES

INVENTORY = """
schemaVersion: kubevouch.inventory/1
nodes:
  worker-1:
    names: [worker-1, worker-1.example.com]
    addresses: [192.168.88.112, "fd00::112"]
    machineId: 0f0f
  worker-2: {addresses: [192.168.88.113]}
  worker-3: {addresses: [somewhere]}
  worker-4: {adresses: []}
  worker-5: [192.168.88.115]
  worker-6: {names: [no]}
"""
CONFIGURATION = """
schemaVersion: kubevouch.approver/1
sources: [new-nodes, pins, inventory]
newNodes:
- {names: "worker-*", cidrs: [192.168.88.0/24, "fd00::/64"], perHour: 5}
- {names: "db-?.example.com", cidrs: [10.1.0.0/16], perHour: 1}
clusterDomain: Corp.Internal.
serviceCIDRs: [10.96.0.0/12]
deny: hard
maxLifetime: 90d
"""


def test_the_inventory_lists_nodes_and_a_bad_one_stands_alone() -> None:
    found = read_inventory(INVENTORY)
    assert isinstance(found, Inventory)
    assert found.nodes["worker-1"] == InventoryNode(
        "worker-1", ("worker-1", "worker-1.example.com"), ("192.168.88.112", "fd00::112"), "0f0f"
    )
    assert found.nodes["worker-2"] == InventoryNode("worker-2", (), ("192.168.88.113",))
    bad = [name for name, entry in found.nodes.items() if isinstance(entry, Unreadable)]
    assert bad == ["worker-3", "worker-4", "worker-5", "worker-6"]
    assert found.problems[0] == (
        "kubevouch-inventory, inventory.yaml, worker-3: address 'somewhere'; "
        "IP addresses without a prefix were expected"
    )
    assert len(found.problems) == 4


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
    assert (found.seen, found.expected) == (seen, "one document with each key once was expected")


def test_a_configuration_that_says_two_things_says_nothing() -> None:
    text = "schemaVersion: kubevouch.approver/1\nsources: [pins]\nsources: [node-status]\n"
    found = read_configuration(text)
    assert isinstance(found, Unreadable)
    assert found.seen == "line 3: sources again"


def test_the_configuration_says_what_counts_and_the_order_is_always_that_of_strength() -> None:
    assert read_configuration(CONFIGURATION) == ApproverConfiguration(
        sources=(SourceWord.INVENTORY, SourceWord.PINS, SourceWord.NEW_NODES),
        new_nodes=(
            NewNodeRule("worker-*", (ip_network("192.168.88.0/24"), ip_network("fd00::/64")), 5),
            NewNodeRule("db-?.example.com", (ip_network("10.1.0.0/16"),), 1),
        ),
        cluster_domain="corp.internal",
        service_networks=(ip_network("10.96.0.0/12"),),
        deny=DenyMode.HARD,
        max_lifetime=timedelta(days=90),
    )


def test_without_anything_said_only_what_is_written_down_or_served_counts() -> None:
    found = read_configuration("schemaVersion: kubevouch.approver/1")
    assert found == ApproverConfiguration()
    assert found.sources == (SourceWord.INVENTORY, SourceWord.PINS, SourceWord.RENEWAL)
    assert found.deny is DenyMode.NONE
    assert found.limits.lifetime == timedelta(days=366)


@pytest.mark.parametrize(
    ("text", "life"), [("12h", timedelta(hours=12)), ("1d", timedelta(days=1))]
)
def test_the_longest_lifetime_reaches_the_rule(text: str, life: timedelta) -> None:
    found = read_configuration(f"schemaVersion: kubevouch.approver/1\nmaxLifetime: {text}")
    assert isinstance(found, ApproverConfiguration)
    assert found.limits.lifetime == life


WRONG = {
    "sources: [pins, dns]": "sources: 'dns'; one of inventory",
    "sources: []": "no source",
    "sources: [new-nodes, node-status]": "new-nodes and node-status",
    "deny: all": "deny: 'all'; one of none",
    "maxLifetime: 90": "Expected `str`",
    "maxLifetime: 0d": "maxLifetime '0d'",
    "maxLifetime: forever": "maxLifetime 'forever'",
    "maxLifetme: 3d": "'maxLifetme'",
    "serviceCIDRs: [10.96.0.1/12]": "serviceCIDRs: 10.96.0.1/12 has host bits set",
    "serviceCIDRs: [" + "10.0.0.0/8, " * 65 + "]": "65 serviceCIDRs",
    "clusterDomain: '*.example.com'": "clusterDomain '*.example.com' (a wildcard)",
    'clusterDomain: "a\\nb"': "clusterDomain 'a\\nb'",
    "newNodes: [" + "{}, " * 65 + "]": "65 rules for new nodes",
    "newNodes: {}": "Expected `array`",
    "[": "not YAML",
    "x: " + "y" * 70_000: "at most 65536",
}


@pytest.mark.parametrize("line", WRONG)
def test_with_a_wrong_configuration_nothing_counts(line: str) -> None:
    found = read_configuration(f"schemaVersion: kubevouch.approver/1\n{line}\n")
    assert isinstance(found, Unreadable)
    assert WRONG[line] in str(found).replace("\\\\", "\\")
    assert str(found).startswith("kubevouch-approver, configuration.yaml: ")


@pytest.mark.parametrize("text", ["", "3", "schemaVersion: kubevouch.approver/2", "a: \ud800"])
def test_another_version_is_not_guessed_at(text: str) -> None:
    assert isinstance(read_configuration(text), Unreadable)


def test_a_word_that_looks_like_one_of_ours_is_asked_about() -> None:
    found = read_configuration("schemaVersion: kubevouch.approver/1\nmaxLifetme: 3d")
    assert str(found).endswith("'maxLifetme'; did you mean maxLifetime?")


BAD_RULES = {
    "names: '*'": "names '*'",
    "names: '*.?'": "names '*.?'",
    "names: '*-*'": "names '*-*'",
    "names: Worker-*": "names 'Worker-*'",
    "names: '[a-z]*'": "names '[a-z]*'",
    "names: worker-*\n  perHour: 0": "perHour 0",
    "names: worker-*\n  perHour: 1001": "perHour 1001",
    "names: worker-*\n  cidrs: []": "no cidrs",
    "names: worker-*\n  cidrs: [10.0.0.1/8]": "cidrs: 10.0.0.1/8 has host bits set",
    "names: db-*": "names 'db-*' again",
    "name: worker-*": "unknown field `name`",
}


@pytest.mark.parametrize("rule", BAD_RULES)
def test_a_bad_rule_for_new_nodes_admits_nobody_and_the_others_count(rule: str) -> None:
    defaults = "".join(
        f"  {key}: {value}\n"
        for key, value in {"cidrs": "[10.0.0.0/8]", "perHour": "3"}.items()
        if key not in rule
    )
    found = read_configuration(
        "schemaVersion: kubevouch.approver/1\nnewNodes:\n"
        "- {names: db-*, cidrs: [10.0.0.0/8], perHour: 3}\n"
        f"- {rule}\n{defaults}"
    )
    assert isinstance(found, ApproverConfiguration)
    assert [each.names for each in found.new_nodes] == ["db-*"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("kubevouch-approver, configuration.yaml, newNodes 2: ")
    assert BAD_RULES[rule] in found.problems[0]


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


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    head = "schemaVersion: kubevouch.approver/1\n"
    assert isinstance(read_configuration(head + text), ApproverConfiguration | Unreadable)
    assert isinstance(read_inventory(head + text), Inventory | Unreadable)
