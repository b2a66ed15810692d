"""The identity sources: the highest that knows a node decides, and none below it is asked then."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import AskedNames, Claim, NameSource
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import (
    IdentitySource,
    IdentitySources,
    SourceAnswer,
    answer_for,
    wants_renewal,
    written_claims,
)
from kubevouch.policy.sources.configuration import ApproverConfiguration, SourceWord
from kubevouch.policy.sources.inventory import Inventory, InventoryNode
from kubevouch.policy.sources.new_nodes import NewNodeRule
from kubevouch.policy.sources.pinned import PinnedNode
from kubevouch.policy.sources.recorded import Admitted, RecordedNode
from kubevouch.policy.sources.stored import Unreadable

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NODE, ADDRESS, UID = "worker-1", "192.168.88.112", "uid-1"
RULE = NewNodeRule("worker-*", (ip_network("192.168.88.0/24"),), per_hour=2)
BROKEN = Unreadable("kubevouch-pins-3, worker-1", "not JSON", "an entry was expected")
ADMITTED = "admitted by the rule for new nodes (worker-*) on 2026-11-25"
ALL = (SourceWord.INVENTORY, SourceWord.PINS, SourceWord.RENEWAL, SourceWord.NEW_NODES)


def node(*addresses: str, uid: str = UID, machine_id: str = "m-1", cp: bool = False) -> Node:
    labels = {"node-role.kubernetes.io/control-plane": ""} if cp else {}
    return msgspec.convert(
        {
            "metadata": {"name": NODE, "uid": uid, "labels": labels},
            "status": {
                "addresses": [{"type": "Hostname", "address": NODE}]
                + [{"type": "InternalIP", "address": each} for each in addresses or (ADDRESS,)],
                "nodeInfo": {"machineID": machine_id},
            },
        },
        Node,
    )


def asking(*addresses: str, names: tuple[str, ...] = (NODE,)) -> AskedNames:
    return AskedNames(names, tuple(map(ip_address, addresses or (ADDRESS,))))


def inventory(**more: Any) -> Inventory:
    return Inventory({NODE: InventoryNode(NODE, (NODE,), (ADDRESS,), **more)})


def pin(*addresses: str, uid: str = UID, **more: Any) -> PinnedNode:
    return PinnedNode(
        NODE,
        uid,
        (NODE,),
        addresses or (ADDRESS,),
        pinned_at=datetime(2026, 11, 24, tzinfo=UTC),
        by="alice",
        **more,
    )


def recorded(
    name: str = NODE, *, uid: str = UID, at: datetime = NOW, addresses: tuple[str, ...] = (ADDRESS,)
) -> RecordedNode:
    return RecordedNode(name, uid, Admitted((name,), addresses, at, "worker-*"))


def sources(
    *words: SourceWord, rules: tuple[NewNodeRule, ...] = (RULE,), **more: Any
) -> IdentitySources:
    return IdentitySources(ApproverConfiguration(sources=words or ALL, new_nodes=rules), **more)


def answered(
    found: IdentitySources, seen: Node | None = None, asked: AskedNames | None = None
) -> SourceAnswer:
    return answer_for(seen or node(), asked or asking(), found, at=NOW)


EVERYTHING: dict[str, Any] = {
    "inventory": inventory(),
    "pins": {NODE: pin()},
    "recorded": {NODE: recorded()},
}


@pytest.mark.parametrize(
    ("words", "left_out", "source", "claims"),
    [
        (ALL, (), IdentitySource.INVENTORY, NameSource.INVENTORY),
        (ALL[1:], (), IdentitySource.PIN, NameSource.PIN),
        (ALL, ("inventory",), IdentitySource.PIN, NameSource.PIN),
        (ALL, ("inventory", "pins"), IdentitySource.RECORDED, NameSource.NEW_NODE_RULE),
        (ALL[3:], (), IdentitySource.RECORDED, NameSource.NEW_NODE_RULE),
        (
            ALL,
            ("inventory", "pins", "recorded"),
            IdentitySource.NEW_NODE_RULE,
            NameSource.NEW_NODE_RULE,
        ),
    ],
)
def test_the_highest_source_that_knows_the_node_decides(
    words: tuple[SourceWord, ...],
    left_out: tuple[str, ...],
    source: IdentitySource,
    claims: NameSource,
) -> None:
    known = {key: value for key, value in EVERYTHING.items() if key not in left_out}
    answer = answered(sources(*words, **known))
    assert answer.source is source
    assert answer.allowed.addresses == (Claim(ADDRESS, claims),)
    own = claims if claims.is_written else NameSource.NODE_NAME
    assert answer.allowed.names == (Claim(NODE, own),)
    assert not answer.allowed.outdated


def test_an_inventory_that_does_not_list_the_node_does_not_know_it() -> None:
    answer = answered(sources(**{**EVERYTHING, "inventory": Inventory({})}))
    assert answer.source is IdentitySource.PIN


def test_a_node_that_no_source_knows_is_unknown_and_the_way_out_is_named() -> None:
    answer = answered(sources(*ALL[:3]))
    assert answer.source is IdentitySource.NONE
    assert answer.allowed.not_valid is HoldReason.NODE_UNKNOWN
    assert answer.allowed.names == answer.allowed.addresses == ()
    assert answer.why == (
        "no source knows this node (inventory, pins, renewal); renewal: nobody has looked at what it serves. "
        "If it is yours: kubevouch approver pin worker-1"
    )
    assert answered(sources(SourceWord.PINS)).why == (
        "no source knows this node (pins). If it is yours: kubevouch approver pin worker-1"
    )


def test_the_nodes_own_word_counts_only_where_the_operator_asks_for_it() -> None:
    answer = answered(sources(SourceWord.PINS, SourceWord.NODE_STATUS, rules=()))
    assert answer.source is IdentitySource.NODE_STATUS
    assert answer.allowed.trusts_node
    assert answer.allowed.addresses == (Claim(ADDRESS, NameSource.NODE_STATUS),)


@pytest.mark.parametrize(
    ("broken", "source"),
    [
        ({"inventory": BROKEN}, IdentitySource.INVENTORY),
        ({"inventory": Inventory({NODE: BROKEN})}, IdentitySource.INVENTORY),
        ({"inventory": None, "pins": {NODE: BROKEN}}, IdentitySource.PIN),
        ({"inventory": None, "pins": {}, "recorded": {NODE: BROKEN}}, IdentitySource.RECORDED),
    ],
)
def test_what_cannot_be_read_holds_its_node_and_no_weaker_source_is_asked(
    broken: dict[str, Any], source: IdentitySource
) -> None:
    answer = answered(sources(**{**EVERYTHING, **broken}))
    assert answer.source is source
    assert answer.allowed.not_valid is HoldReason.SOURCE_UNREADABLE
    assert answer.allowed.outdated == answer.why == str(BROKEN)
    assert answer.allowed.addresses == ()


def test_with_a_configuration_that_cannot_be_read_nothing_counts() -> None:
    found = IdentitySources(BROKEN, **EVERYTHING)
    answer = answered(found)
    assert (answer.source, answer.allowed.not_valid) == (
        IdentitySource.NONE,
        HoldReason.SOURCE_UNREADABLE,
    )
    assert not wants_renewal(node(), found)


def test_a_pin_of_a_node_that_has_been_recreated_is_outdated_and_beaten_by_nothing() -> None:
    answer = answered(sources(pins={NODE: pin(uid="uid-0")}, recorded={NODE: recorded()}))
    assert answer.source is IdentitySource.PIN
    assert answer.allowed.not_valid is HoldReason.PIN_OUTDATED
    assert answer.allowed.outdated == (
        "the Node has been recreated since it was pinned on 2026-11-24 by alice: "
        "kubevouch approver pin worker-1 --diff"
    )


def test_a_pin_without_a_uid_is_for_any_node_of_that_name() -> None:
    assert answered(sources(pins={NODE: pin(uid="")})).allowed.outdated == ""


def test_what_the_rule_admitted_was_one_node_and_not_the_next_of_its_name() -> None:
    answer = answered(sources(recorded={NODE: recorded(uid="uid-0")}))
    assert answer.source is IdentitySource.RECORDED
    assert answer.allowed.outdated.startswith("the Node has been recreated since it was admitted")


@pytest.mark.parametrize(
    ("known", "who"),
    [
        ({"inventory": inventory(machine_id="m-2")}, "the inventory"),
        ({"pins": {NODE: pin(machine_id="m-2")}}, "the pin"),
    ],
)
def test_another_machine_of_that_name_gets_nothing(known: dict[str, Any], who: str) -> None:
    allowed = answered(sources(**known)).allowed
    assert allowed.outdated.startswith(f"the Node is on another machine than {who} says")
    assert allowed.not_valid is HoldReason.PIN_OUTDATED


@pytest.mark.parametrize(
    "known", [{"inventory": inventory(machine_id="m-1")}, {"pins": {NODE: pin(machine_id="m-1")}}]
)
def test_the_machine_that_is_stated_is_this_one(known: dict[str, Any]) -> None:
    assert answered(sources(**known)).allowed.outdated == ""


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (
            {"inventory": inventory()},
            "the Node claims it, and the inventory does not list it",
        ),
        (
            {"pins": {NODE: pin()}},
            "changed since it was pinned on 2026-11-24 by alice: kubevouch approver pin worker-1 --diff",
        ),
        (
            {"recorded": {NODE: recorded()}},
            f"changed since it was {ADMITTED}: kubevouch approver pin worker-1 --diff",
        ),
    ],
)
def test_what_the_node_claims_besides_is_said_to_be_new(known: dict[str, Any], says: str) -> None:
    allowed = answered(sources(**known), node(ADDRESS, "10.0.0.9", "fd00::9")).allowed
    assert allowed.unlisted == ("10.0.0.9", "fd00::9")
    assert allowed.listed == says


def test_the_rule_admits_a_nodes_own_name_and_what_it_claims_within_the_networks() -> None:
    seen = node(ADDRESS, "10.0.0.9", "192.168.88.113")
    asked = asking(ADDRESS, "10.0.0.9", "192.168.88.50", names=(NODE, "worker-2"))
    answer = answered(sources(), seen, asked)
    assert answer.admits == Admitted((NODE,), (ADDRESS,), NOW, "worker-*")
    assert answer.allowed.names == (Claim(NODE, NameSource.NODE_NAME),)
    assert answer.allowed.addresses == (Claim(ADDRESS, NameSource.NEW_NODE_RULE),)
    assert answer.allowed.unlisted == ("10.0.0.9", "192.168.88.113")
    assert answer.allowed.listed == (
        "the rule for new nodes (worker-*) admits a Node's own name, and addresses in 192.168.88.0/24"
    )


def test_the_rule_admits_so_many_nodes_within_an_hour() -> None:
    earlier = {
        "worker-7": recorded("worker-7", at=NOW - timedelta(minutes=59)),
        "worker-8": recorded("worker-8", at=NOW - timedelta(hours=1)),
        "db-1": RecordedNode("db-1", "", Admitted(("db-1",), (), NOW, "db-*")),
        "worker-9": RecordedNode("worker-9", "uid-9"),
    }
    assert answered(sources(recorded=earlier)).admits
    full = {**earlier, "worker-5": recorded("worker-5")}
    answer = answered(sources(recorded=full))
    assert (answer.source, answer.admits) == (IdentitySource.NEW_NODE_RULE, None)
    assert answer.allowed.not_valid is HoldReason.TOO_MANY_NEW_NODES
    assert answer.why == (
        "the rule for new nodes (worker-*) has admitted 2 within an hour: kubevouch approver pin worker-1"
    )


def test_a_record_that_cannot_be_read_counts_as_one_that_the_rule_admitted_just_now() -> None:
    unread = {"worker-7": BROKEN, "worker-8": recorded("worker-8")}
    assert answered(sources(recorded=unread)).allowed.not_valid is HoldReason.TOO_MANY_NEW_NODES


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("worker-*", "worker-", True),
        ("worker-*", "worker-1", True),
        ("worker-*", "xworker-1", False),
        ("worker-*", "worker", False),
        ("worker-*", "Worker-1", False),
        # Within one DNS label: whoever joins a node chooses its name.
        ("worker-*", "worker-1.google.com", False),
        ("worker-*", "worker-kubernetes.default", False),
        ("worker-*", "worker-1.", False),
        ("worker?1", "worker.1", False),
        ("worker-*.example.com", "worker-1.example.com", True),
        ("worker-*.example.com", "worker-1.evil.example.com", False),
        ("worker-*.example.com", "worker-1", False),
        ("db-*.*.example.com", "db-1.rack-2.example.com", True),
    ],
)
def test_the_pattern_is_for_the_whole_name_label_by_label(
    pattern: str, name: str, matches: bool
) -> None:
    assert NewNodeRule(pattern, (), per_hour=1).matches(name) is matches


def test_no_rule_is_about_a_node_of_another_name() -> None:
    other = NewNodeRule("db-?", (ip_network("0.0.0.0/0"),), per_hour=9)
    answer = answered(sources(rules=(other,)))
    assert answer.source is IdentitySource.NONE
    assert not other.has(ip_address("fd00::1"))


def test_a_control_plane_is_one_by_its_label() -> None:
    for known in (EVERYTHING, {}, {"pins": {NODE: BROKEN}}):
        assert answered(sources(**known), node(cp=True)).allowed.control_plane
        assert not answered(sources(**known)).allowed.control_plane


def test_what_is_served_is_looked_at_only_where_nothing_is_written_down() -> None:
    assert wants_renewal(node(), sources())
    assert not wants_renewal(node(), sources(SourceWord.PINS))
    for key, value in EVERYTHING.items():
        assert not wants_renewal(node(), sources(**{key: value}))


def test_what_is_written_down_is_no_other_nodes_even_if_the_node_is_gone() -> None:
    found = sources(**EVERYTHING)
    assert [(each.value, each.source) for each in written_claims(found, NODE)] == [
        (NODE, NameSource.INVENTORY),
        (ADDRESS, NameSource.INVENTORY),
        (NODE, NameSource.PIN),
        (ADDRESS, NameSource.PIN),
        (NODE, NameSource.NEW_NODE_RULE),
        (ADDRESS, NameSource.NEW_NODE_RULE),
    ]
    assert written_claims(found, "worker-2") == ()
    assert [
        each.source for each in written_claims(sources(SourceWord.PINS, **EVERYTHING), NODE)
    ] == [
        NameSource.PIN,
        NameSource.PIN,
        NameSource.NEW_NODE_RULE,
        NameSource.NEW_NODE_RULE,
    ]
    broken = sources(inventory=BROKEN, pins={NODE: BROKEN}, recorded={NODE: RecordedNode(NODE, "")})
    # The key of a pin that cannot be read is a name all the same.
    assert [(c.value, c.source) for c in written_claims(broken, NODE)] == [(NODE, NameSource.PIN)]
