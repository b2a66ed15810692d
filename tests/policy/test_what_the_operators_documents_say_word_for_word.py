"""inventory.yaml and configuration.yaml, written by hand: each field is read, and what is wrong is said in full."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from kubevouch.policy.facts import CsrLimits
from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    DenyMode,
    SourceWord,
    read_configuration,
)
from kubevouch.policy.sources.inventory import Inventory, InventoryNode, read_inventory
from kubevouch.policy.sources.new_nodes import NewNodeRule
from kubevouch.policy.sources.stored import Unreadable

LISTED = "schemaVersion: kubevouch.inventory/1\n"
HEAD = "schemaVersion: kubevouch.approver/1\n"
INVENTORY = "kubevouch-inventory, inventory.yaml"
CONFIGURATION = "kubevouch-approver, configuration.yaml"
DEFAULT = (SourceWord.INVENTORY, SourceWord.PINS, SourceWord.RENEWAL)
FIELDS = "names, addresses and machineId were expected"
NETWORKS = "networks such as 192.168.88.0/24 were expected"
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
        "a\nb": ("node 'a\\nb'", "one line of at most 512 characters was expected"),
        "worker-4": ("name '*' (a wildcard)", "host names were expected"),
        "worker-5": ("address 'there'", "IP addresses without a prefix were expected"),
        "worker-6": ("machineId 'a\\nb'", "one line of at most 512 characters was expected"),
        "worker-7": ("Object contains unknown field `machineID`", FIELDS),
        "worker-8": ("Expected `object`, got `null`", FIELDS),
        "worker-9": ("Expected `str`, got `int` - at `$.names[0]`", FIELDS),
    }
    found = read_inventory(text)
    assert found == Inventory(
        {
            "worker-1": InventoryNode("worker-1", ("worker-1", "shop"), ("10.0.0.1", "fd00::1"), "m-1"),
            "worker-2": InventoryNode("worker-2"),
            **{node: Unreadable(f"{INVENTORY}, {node}", *words) for node, words in bad.items()},
        }
    )  # fmt: skip
    assert found.problems == tuple(
        f"{INVENTORY}, {node}: {seen}; {expected}" for node, (seen, expected) in bad.items()
    )


VERSION = "kubevouch.inventory/1 was expected"
MAPPING = "nodes: {NAME: {names: [...], addresses: [...]}} was expected"
WRONG_INVENTORIES = {
    "": ("schemaVersion None", VERSION),
    "[]": ("schemaVersion None", VERSION),
    "schemaVersion: 1\nnodes: {}": ("schemaVersion 1", VERSION),
    LISTED: ("no mapping of nodes", MAPPING),
    f"{LISTED}nodes: [a]": ("no mapping of nodes", MAPPING),
    f"{LISTED}nodes: {{}}\nzoo: 1\nnode: 1": ("'node'", "only schemaVersion and nodes were expected"),
    f"{LISTED}nodes: \ud800": ("'utf-8' codec can't encode character '\\ud800' in position 44: surrogates not allowed", "YAML was expected"),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG_INVENTORIES)
def test_of_an_inventory_what_is_wrong_and_what_would_be_right_is_said(text: str) -> None:
    assert read_inventory(text) == Unreadable(INVENTORY, *WRONG_INVENTORIES[text])


def test_what_is_not_yaml_is_said_to_be_so() -> None:
    words = ("line 2: not YAML: did not find expected node content", "YAML was expected")
    assert read_inventory("a: [") == Unreadable(INVENTORY, *words)
    assert read_configuration("a: [") == Unreadable(CONFIGURATION, *words)


def test_an_inventory_of_twenty_thousand_nodes_is_read_and_one_of_more_is_not() -> None:
    nodes = ",".join(f'"n{number}":{{}}' for number in range(20_000))
    text = f'{{"schemaVersion":"kubevouch.inventory/1","nodes":{{{nodes}%s}}}}'
    found = read_inventory(text % "")
    assert isinstance(found, Inventory)
    assert len(found.nodes) == 20_000
    assert found.problems == ()
    assert read_inventory(text % ',"more":{}') == Unreadable(
        INVENTORY, "20001 nodes", "at most 20000 are read"
    )


def test_each_field_of_the_configuration_is_read() -> None:
    said = HEAD + (
        "sources: [node-status, renewal, pins, inventory]\n"
        "newNodes: [{names: w-*, cidrs: [10.0.0.0/8, 'fd00::/64'], perHour: 5}]\n"
        "clusterDomain: .Xen.Corp.\n"
        "serviceCIDRs: [10.96.0.0/12, 'fd00:96::/112']\n"
        "podCIDRs: [10.244.0.0/16, 'fd00:97::/56']\n"
        "deny: hard\n"
        "maxLifetime: 36h\n"
    )
    assert read_configuration(said) == ApproverConfiguration(
        sources=(*DEFAULT, SourceWord.NODE_STATUS),
        new_nodes=(NewNodeRule("w-*", (TEN, ip_network("fd00::/64")), 5),),
        cluster_domain="xen.corp",
        service_networks=(ip_network("10.96.0.0/12"), ip_network("fd00:96::/112")),
        pod_networks=(ip_network("10.244.0.0/16"), ip_network("fd00:97::/56")),
        deny=DenyMode.HARD,
        max_lifetime=timedelta(hours=36),
        problems=(),
    )


def test_what_the_configuration_does_not_say_is_as_without_one() -> None:
    assert read_configuration(HEAD) == ApproverConfiguration(
        sources=DEFAULT,
        new_nodes=(),
        cluster_domain="",
        service_networks=(),
        pod_networks=(),
        deny=DenyMode.NONE,
        max_lifetime=timedelta(days=366),
        problems=(),
    )


def test_the_configuration_sets_the_lifetime_among_the_limits_and_nothing_else() -> None:
    found = ApproverConfiguration(max_lifetime=timedelta(days=3)).limits
    assert found == CsrLimits(
        lifetime=timedelta(days=3), freshness=timedelta(minutes=14), skew=timedelta(minutes=1)
    )


RIGHT = {
    "sources: [pins, new-nodes]": ("sources", (SourceWord.PINS, SourceWord.NEW_NODES)),
    "sources: [node-status]": ("sources", (SourceWord.NODE_STATUS,)),
    "serviceCIDRs: [" + "10.0.0.0/8, " * 64 + "]": ("service_networks", (TEN,) * 64),
    "maxLifetime: 1h": ("max_lifetime", timedelta(hours=1)),
    "maxLifetime: 999999h": ("max_lifetime", timedelta(hours=999_999)),
    "maxLifetime: 90d": ("max_lifetime", timedelta(days=90)),
    "clusterDomain: .": ("cluster_domain", ""),
    "# " + "x" * (65_536 - len(HEAD) - 2): ("problems", ()),
}
VALID = "a configuration as docs/policy.md describes it was expected"
LIFETIME = "hours or days such as 24h or 90d were expected"
SOURCES = "sources: [inventory, pins, renewal] was expected, or some of them"
KNOWN = "one of schemaVersion, sources, newNodes, clusterDomain, serviceCIDRs, podCIDRs, deny, maxLifetime was expected"
WRONG = {
    "sources: []": ("no source", SOURCES),
    "sources: [pins, dns]": ("sources: 'dns'", "one of inventory, pins, renewal, new-nodes, node-status was expected"),
    "sources: [pin]": ("sources: 'pin'", "did you mean pins?"),
    "sources: [new-nodes, node-status, pins]": ("new-nodes and node-status", "one of them was expected: node-status takes every node that the rules do not"),
    "deny: all": ("deny: 'all'", "one of none, hard was expected"),
    "maxLifetime: 90": ("Expected `str`, got `int` - at `$.maxLifetime`", VALID),
    "maxLifetime: 0d": ("maxLifetime '0d'", LIFETIME),
    "maxLifetime: 1000000h": ("maxLifetime '1000000h'", LIFETIME),
    "maxLifetime: " + "h" * 81: (f"maxLifetime '{'h' * 80}'", LIFETIME),
    "zzz: 1\nmaxLifetme: 1": ("'maxLifetme'", "did you mean maxLifetime?"),
    "zzz: 1\nyyy: 2": ("'yyy'", KNOWN),
    "serviceCIDRs: [10.96.0.1/12]": ("serviceCIDRs: 10.96.0.1/12 has host bits set", NETWORKS),
    "serviceCIDRs: [" + "10.0.0.0/8, " * 65 + "]": ("65 serviceCIDRs", "at most 64 are read"),
    "podCIDRs: [10.244.0.1/16]": ("podCIDRs: 10.244.0.1/16 has host bits set", NETWORKS),
    "clusterDomain: '*.corp'": ("clusterDomain '*.corp' (a wildcard)", "a DNS domain was expected"),
    "clusterDomain: " + "a" * 81: (f"clusterDomain '{'a' * 80}' (not an RFC 1123 name)", "a DNS domain was expected"),
    'clusterDomain: "a\\nb"': ("clusterDomain 'a\\nb'", "one line of at most 512 characters was expected"),
    "newNodes: [" + "{}, " * 65 + "]": ("65 rules for new nodes", "at most 64 are read"),
    "newNodes: {}": ("Expected `array`, got `object` - at `$.newNodes`", VALID),
    "# " + "x" * (65_537 - len(HEAD) - 2): ("65537 characters", "at most 65536 are read"),
}  # fmt: skip


@pytest.mark.parametrize("line", RIGHT)
def test_what_a_line_of_the_configuration_sets(line: str) -> None:
    field, value = RIGHT[line]
    found = read_configuration(HEAD + line)
    assert isinstance(found, ApproverConfiguration)
    assert getattr(found, field) == value


@pytest.mark.parametrize("line", WRONG)
def test_of_a_configuration_what_is_wrong_and_what_would_be_right_is_said(line: str) -> None:
    assert read_configuration(HEAD + line) == Unreadable(CONFIGURATION, *WRONG[line])


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        ("", "schemaVersion None", "kubevouch.approver/1 was expected"),
        ("[1]", "schemaVersion None", "kubevouch.approver/1 was expected"),
        ("schemaVersion: 2", "schemaVersion 2", "kubevouch.approver/1 was expected"),
        (
            "a: \ud800",
            "'utf-8' codec can't encode character '\\ud800' in position 3: surrogates not allowed",
            "YAML was expected",
        ),
    ],
)
def test_a_text_that_is_no_configuration_is_said_to_be_so(
    text: str, seen: str, expected: str
) -> None:
    assert read_configuration(text) == Unreadable(CONFIGURATION, seen, expected)


PATTERN = "a lower-case pattern with * and ? was expected that begins with a letter or a digit, or has three of them side by side"
ALL_THERE_ARE = "the networks of the nodes were expected, not all that there are"
KEYS = "names, cidrs and perHour were expected"
GOOD_RULES = {
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1}": NewNodeRule("db-*", (TEN,), 1),
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1000}": NewNodeRule("db-*", (TEN,), 1000),
    "{names: " + "a" * 253 + ", cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("a" * 253, (TEN,), 2),
    "{names: '0*', cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("0*", (TEN,), 2),
    "{names: '*-a9z-?', cidrs: [10.0.0.0/8], perHour: 2}": NewNodeRule("*-a9z-?", (TEN,), 2),
    "{names: 'x.?', cidrs: [" + "10.0.0.0/8, " * 64 + "], perHour: 2}": NewNodeRule("x.?", (TEN,) * 64, 2),
}  # fmt: skip
BAD_RULES = {
    "{names: '*.?', cidrs: [10.0.0.0/8], perHour: 1}": ("names '*.?'", PATTERN),
    "{names: '*-*', cidrs: [10.0.0.0/8], perHour: 1}": ("names '*-*'", PATTERN),
    "{names: '-a*', cidrs: [10.0.0.0/8], perHour: 1}": ("names '-a*'", PATTERN),
    "{names: '?ab-cd*', cidrs: [10.0.0.0/8], perHour: 1}": ("names '?ab-cd*'", PATTERN),
    "{names: '*1', cidrs: [10.0.0.0/8], perHour: 1}": ("names '*1'", PATTERN),
    "{names: db-*, cidrs: [10.0.0.0/8, 0.0.0.0/0], perHour: 1}": ("cidrs: 0.0.0.0/0", ALL_THERE_ARE),
    "{names: db-*, cidrs: ['::/0'], perHour: 1}": ("cidrs: ::/0", ALL_THERE_ARE),
    "{names: W-*, cidrs: [10.0.0.0/8], perHour: 1}": ("names 'W-*'", PATTERN),
    "{names: " + "a" * 254 + ", cidrs: [10.0.0.0/8], perHour: 1}": (f"names '{'a' * 80}'", PATTERN),
    "{names: w-*, cidrs: [10.0.0.0/8], perHour: 1}": ("names 'w-*' again", "one rule for each pattern was expected"),
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 0}": ("perHour 0", "1 to 1000 was expected"),
    "{names: db-*, cidrs: [10.0.0.0/8], perHour: 1001}": ("perHour 1001", "1 to 1000 was expected"),
    "{names: db-*, cidrs: [], perHour: 1}": ("no cidrs", "the networks of the nodes were expected"),
    "{names: db-*, cidrs: [10.0.0.1/8], perHour: 1}": ("cidrs: 10.0.0.1/8 has host bits set", NETWORKS),
    "{names: db-*, cidrs: [" + "10.0.0.0/8, " * 65 + "], perHour: 1}": ("65 cidrs", "at most 64 are read"),
    "{names: db-*, cidrs: [10.0.0.0/8]}": ("Object missing required field `perHour`", KEYS),
    "{name: db-*}": ("Object contains unknown field `name`", KEYS),
    "db-*": ("Expected `object`, got `str`", KEYS),
}  # fmt: skip
FIRST = NewNodeRule("w-*", (TEN,), 3)


@pytest.mark.parametrize("rule", GOOD_RULES)
def test_a_rule_for_new_nodes_is_read_as_it_stands(rule: str) -> None:
    found = read_configuration(
        f"{HEAD}newNodes: [{{names: w-*, cidrs: [10.0.0.0/8], perHour: 3}}, {rule}]"
    )
    assert found == ApproverConfiguration(new_nodes=(FIRST, GOOD_RULES[rule]))


@pytest.mark.parametrize("rule", BAD_RULES)
def test_of_a_rule_for_new_nodes_what_is_wrong_and_what_would_be_right_is_said(rule: str) -> None:
    seen, expected = BAD_RULES[rule]
    found = read_configuration(
        f"{HEAD}newNodes: [{{names: w-*, cidrs: [10.0.0.0/8], perHour: 3}}, {rule}]"
    )
    problem = f"{CONFIGURATION}, newNodes 2: {seen}; {expected}"
    assert found == ApproverConfiguration(new_nodes=(FIRST,), problems=(problem,))


def test_sixty_four_rules_for_new_nodes_are_read() -> None:
    rules = ",".join(f"{{names: n{i}, cidrs: [10.0.0.0/8], perHour: 1}}" for i in range(64))
    found = read_configuration(f"{HEAD}newNodes: [{rules}]")
    assert found == ApproverConfiguration(
        new_nodes=tuple(NewNodeRule(f"n{i}", (TEN,), 1) for i in range(64))
    )
