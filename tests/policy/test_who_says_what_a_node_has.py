"""The identity sources: the highest that knows a node decides, and none below it is asked then."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest

from kubevouch.policy.claims import AllowedNames, AskedNames, Claim, NameSource
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import (
    IdentitySources,
    SourceAnswer,
    answer_for,
    wants_renewal,
    written_answer,
    written_claims,
)
from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    IdentitySource,
    NewNodeRule,
)
from kubevouch.policy.sources.nodes import (
    Admitted,
    InventoryNode,
    PinnedNode,
    RecordedNode,
)
from kubevouch.policy.sources.renewal import RenewalEvidence
from kubevouch.policy.sources.stored import Shard, Unreadable
from tests.support.nodes import node

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RULE = NewNodeRule("w*", (ip_network("10.0.0.0/24"), ip_network("fd00::/64")), per_hour=2)
ALL = (
    IdentitySource.INVENTORY,
    IdentitySource.PINS,
    IdentitySource.RENEWAL,
    IdentitySource.NEW_NODES,
)
ADDRESSES = ("w1", "10.0.0.1", "fd00::1", "192.0.2.1")
NODE = node("w1", *ADDRESSES, uid="uid-1", machine_id="m-1", control_plane=True)
ASKED = AskedNames(("w1", "shop"), (ip_address("10.0.0.1"), ip_address("fd00::1")))
BROKEN = Unreadable("kubevouch-pins-3, w1", "not JSON", "expected an entry")
LISTED = InventoryNode(("w1", "shop"), ("10.0.0.1",), "m-1")
PIN = PinnedNode("w1", "uid-1", ("w1", "shop"), ("10.0.0.1",), "m-1", (), NOW, "alice")
RECORD = RecordedNode("w1", "uid-1", Admitted(("w1",), ("10.0.0.1",), NOW, "w*"))
PINNED = "pinned on 2026-11-25 by alice"
ADMITTED = "admitted by the rule for new nodes (w*) on 2026-11-25"
ADVICE = "kubevouch approver pin w1 --via ssh"
DIFF = "kubevouch approver pin w1 --diff"


def sources(
    *words: IdentitySource, rules: tuple[NewNodeRule, ...] = (RULE,), **more: Any
) -> IdentitySources:
    return IdentitySources(ApproverConfiguration(sources=words or ALL, new_nodes=rules), **more)


def answered(known: IdentitySources, **more: Any) -> SourceAnswer:
    return answer_for(NODE, ASKED, known, at=NOW, **more)


def nothing(why: str, kind: HoldReason) -> AllowedNames:
    return AllowedNames("w1", (), (), control_plane=True, outdated=why, not_valid=kind)


def allowed(source: NameSource, listed: str, outdated: str = "") -> AllowedNames:
    return AllowedNames(
        "w1",
        (Claim("w1", source), Claim("shop", source)),
        (Claim("10.0.0.1", source),),
        control_plane=True,
        outdated=outdated,
        unlisted=("fd00::1", "192.0.2.1"),
        listed=listed,
    )


MACHINE = "the Node's machine-id is not the one in {}; see " + DIFF
BY_INVENTORY = "the Node claims it, but the inventory does not list it"
BY_PIN = f"the Node claims it, but was {PINNED} without it: {DIFF}"


def listed(outdated: str = "") -> SourceAnswer:
    found = allowed(NameSource.INVENTORY, BY_INVENTORY, outdated)
    return SourceAnswer(IdentitySource.INVENTORY, found, "listed in the inventory")


def pinned(outdated: str = "") -> SourceAnswer:
    return SourceAnswer(IdentitySource.PINS, allowed(NameSource.PIN, BY_PIN, outdated), PINNED)


def unreadable(source: IdentitySource) -> SourceAnswer:
    found = nothing(str(BROKEN), HoldReason.SOURCE_UNREADABLE)
    return SourceAnswer(source, found, str(BROKEN))


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        ({"inventory": Shard({"w1": LISTED}), "pins": {"w1": PIN}}, listed()),
        (
            {"inventory": Shard({"w1": msgspec.structs.replace(LISTED, machine_id="m-2")})},
            listed(MACHINE.format("the inventory")),
        ),
        ({"inventory": Shard({"w2": LISTED}), "pins": {"w1": PIN}}, pinned()),
        (
            {"pins": {"w1": msgspec.structs.replace(PIN, machine_id="m-2")}},
            pinned(MACHINE.format("the pin")),
        ),
        (
            {"pins": {"w1": msgspec.structs.replace(PIN, uid="uid-0")}},
            pinned(f"the Node has been recreated since it was {PINNED}: {DIFF}"),
        ),
        ({"inventory": BROKEN}, unreadable(IdentitySource.INVENTORY)),
        ({"inventory": Shard({"w1": BROKEN})}, unreadable(IdentitySource.INVENTORY)),
        ({"pins": {"w1": BROKEN}}, unreadable(IdentitySource.PINS)),
        ({"recorded": {"w1": BROKEN}}, unreadable(IdentitySource.RECORDED)),
    ],
)
def test_what_is_written_down_for_a_node_is_the_whole_answer(
    known: dict[str, Any], answer: SourceAnswer
) -> None:
    assert answered(sources(**known)) == answer
    assert written_answer(NODE, sources(**known)) == answer
    assert not wants_renewal(NODE, sources(**known))


@pytest.mark.parametrize(
    ("uid", "outdated"),
    [("uid-1", ""), ("uid-0", f"the Node has been recreated since it was {ADMITTED}: {DIFF}")],
)
def test_what_was_admitted_once_is_the_whole_answer(uid: str, outdated: str) -> None:
    record = msgspec.structs.replace(RECORD, uid=uid)
    answer = SourceAnswer(
        IdentitySource.RECORDED,
        AllowedNames(
            "w1",
            (Claim("w1", NameSource.NODE_NAME),),
            (Claim("10.0.0.1", NameSource.NEW_NODE_RULE),),
            control_plane=True,
            outdated=outdated,
            unlisted=("fd00::1", "192.0.2.1"),
            listed=f"the Node claims it, but was {ADMITTED} without it: {DIFF}",
        ),
        ADMITTED,
    )
    for words in (ALL, (IdentitySource.PINS,), (IdentitySource.NEW_NODES,)):
        assert answered(sources(*words, recorded={"w1": record})) == answer


WRITTEN: dict[str, Any] = {
    "inventory": Shard({"w1": LISTED}),
    "pins": {"w1": PIN},
    "recorded": {"w1": RECORD},
}


@pytest.mark.parametrize(
    ("word", "known"),
    [
        (IdentitySource.RENEWAL, WRITTEN),
        (IdentitySource.PINS, {"inventory": BROKEN}),
        (IdentitySource.INVENTORY, {"pins": {"w1": BROKEN}}),
        # A record counts where pins do, or new nodes.
        (IdentitySource.INVENTORY, {"recorded": {"w1": RECORD}}),
        (IdentitySource.INVENTORY, {"recorded": {"w1": BROKEN}}),
        (IdentitySource.RENEWAL, {"recorded": {"w1": BROKEN}}),
    ],
)
def test_a_source_that_is_not_named_does_not_count(
    word: IdentitySource, known: dict[str, Any]
) -> None:
    assert answered(sources(word, **known)).source is IdentitySource.NONE
    assert written_answer(NODE, sources(word, **known)) is None


@pytest.mark.parametrize(
    ("words", "left_out", "source"),
    [
        (ALL, 0, IdentitySource.INVENTORY),
        (ALL[1:], 0, IdentitySource.PINS),
        (ALL, 1, IdentitySource.PINS),
        (ALL, 2, IdentitySource.RECORDED),
        (ALL[3:], 0, IdentitySource.RECORDED),
        (ALL, 3, IdentitySource.NEW_NODES),
    ],
)
def test_the_highest_source_that_knows_the_node_decides(
    words: tuple[IdentitySource, ...], left_out: int, source: IdentitySource
) -> None:
    known = dict(list(WRITTEN.items())[left_out:])
    answer = answered(sources(*words, **known))
    assert answer.source is source
    assert not answer.allowed.outdated
    assert answer.allowed.control_plane


@pytest.mark.parametrize("loose", [{"uid": ""}, {"machine_id": ""}])
def test_a_pin_that_says_less_is_for_more(loose: dict[str, str]) -> None:
    pin = msgspec.structs.replace(PIN, **loose)
    assert answered(sources(pins={"w1": pin})).allowed.outdated == ""


def test_of_a_node_that_nothing_written_down_knows_nothing_is_answered_without_its_csr() -> None:
    others = sources(pins={"w2": PIN}, recorded={"w1": RecordedNode("w1", "uid-1"), "w2": RECORD})
    for known in (sources(), others):
        assert written_answer(NODE, known) is None
        assert wants_renewal(NODE, known)


def test_with_a_configuration_that_cannot_be_read_each_answer_is_why() -> None:
    known = IdentitySources(BROKEN, pins={"w1": PIN})
    assert answered(known) == unreadable(IdentitySource.NONE)
    assert written_answer(NODE, known) == unreadable(IdentitySource.NONE)
    assert not wants_renewal(NODE, known)
    # Others get nothing of what is written down for it, all the same.
    assert written_claims(known, "w1") == written_claims(sources(pins={"w1": PIN}), "w1") != ()


ADMITS = (
    "the rule for new nodes (w*) admits a Node's own name, and addresses in 10.0.0.0/24, fd00::/64"
)


def test_what_the_rule_for_new_nodes_admits_is_the_whole_answer() -> None:
    assert answered(sources()) == SourceAnswer(
        IdentitySource.NEW_NODES,
        AllowedNames(
            "w1",
            (Claim("w1", NameSource.NODE_NAME),),
            (
                Claim("10.0.0.1", NameSource.NEW_NODE_RULE),
                Claim("fd00::1", NameSource.NEW_NODE_RULE),
            ),
            control_plane=True,
            unlisted=("192.0.2.1",),
            listed=ADMITS,
        ),
        "by the rule for new nodes (w*)",
        Admitted(("w1",), ("10.0.0.1", "fd00::1"), NOW, "w*"),
    )


def test_the_rule_admits_only_what_the_node_claims() -> None:
    asked = AskedNames(("w1", "w2"), tuple(map(ip_address, ("10.0.0.1", "10.0.0.50", "192.0.2.1"))))
    answer = answer_for(NODE, asked, sources(), at=NOW)
    assert answer.admits == Admitted(("w1",), ("10.0.0.1",), NOW, "w*")


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


def test_the_rule_for_new_nodes_is_asked_only_where_it_counts_and_is_about_the_node() -> None:
    assert answered(sources(*ALL[:3])).source is IdentitySource.NONE
    other = NewNodeRule("db*", (ip_network("10.0.0.0/8"),), 2)
    assert not other.has(ip_address("fd00::1"))
    assert answered(sources(rules=(other,))).source is IdentitySource.NONE
    assert answered(sources(rules=(other, RULE))).admits is not None


@pytest.mark.parametrize(
    ("records", "full"),
    [
        ({"w2": RECORD}, False),
        ({"w2": RECORD, "w3": RECORD}, True),
        ({"w2": RECORD, "w3": BROKEN}, True),
        ({"w2": BROKEN}, False),
        ({"w2": BROKEN, "w3": BROKEN}, True),
        ({"w2": RecordedNode("w2", ""), "w3": RecordedNode("w3", "")}, False),
    ],
)
def test_a_rule_without_room_is_the_whole_answer(
    records: dict[str, RecordedNode | Unreadable], full: bool
) -> None:
    why = "the rule for new nodes (w*) has reached its perHour limit of 2: kubevouch approver pin w1 --via ssh"
    answer = answered(sources(recorded=records))
    assert (answer.admits is None) is full
    if full:
        assert answer == SourceAnswer(
            IdentitySource.NEW_NODES, nothing(why, HoldReason.TOO_MANY_NEW_NODES), why
        )


def test_an_admission_of_an_hour_ago_makes_room_and_one_of_59_minutes_does_not() -> None:
    rule = NewNodeRule("w*", RULE.networks, 1)
    for age, left in ((timedelta(minutes=59, seconds=59), 0), (timedelta(hours=1), 1)):
        assert rule.left([Admitted((), (), NOW - age, "w*")], NOW) == left
    assert rule.left([Admitted((), (), NOW, "w*")] * 3, NOW) == 0
    assert rule.left([Admitted((), (), NOW, "db*")] * 3, NOW) == 1


SHOP = "The Node itself does not claim shop"


@pytest.mark.parametrize(
    ("words", "renewal", "why"),
    [
        (
            (IdentitySource.INVENTORY, IdentitySource.PINS),
            None,
            f"no source knows this node (inventory, pins). {SHOP}",
        ),
        (
            ALL[:3],
            None,
            (
                "no source knows this node (inventory, pins, renewal); renewal: the kubelet was not dialled. "
                f"{SHOP}"
            ),
        ),
        (
            (IdentitySource.RENEWAL,),
            RenewalEvidence((), (), NOW),
            (f"no source knows this node (renewal); renewal: 10.0.0.1: not dialled. {SHOP}"),
        ),
    ],
)
def test_of_a_node_that_is_not_known_the_whole_answer_is_why(
    words: tuple[IdentitySource, ...], renewal: RenewalEvidence | None, why: str
) -> None:
    assert answered(sources(*words), renewal=renewal) == SourceAnswer(
        IdentitySource.NONE, nothing(why, HoldReason.NODE_UNKNOWN), why
    )


def test_of_a_node_that_is_not_known_a_pin_is_advised_that_has_all_it_asks_for() -> None:
    asked = AskedNames(("w1",), ASKED.addresses[:1])
    answer = answer_for(NODE, asked, sources(IdentitySource.PINS), at=NOW)
    assert answer.why == f"no source knows this node (pins). If the node is yours: {ADVICE}"


def test_each_source_adds_what_it_has_to_what_is_written_down() -> None:
    known = sources(
        inventory=Shard({"w1": InventoryNode(("a",), ("10.0.0.1",))}),
        pins={"w1": PinnedNode("w1", "", ("b",), ("10.0.0.2",))},
        recorded={"w1": RecordedNode("w1", "", Admitted(("c",), ("10.0.0.3",), NOW, "w*"))},
    )
    assert written_claims(known, "w1") == (
        Claim("a", NameSource.INVENTORY),
        Claim("10.0.0.1", NameSource.INVENTORY),
        Claim("b", NameSource.PIN),
        Claim("10.0.0.2", NameSource.PIN),
        Claim("c", NameSource.NEW_NODE_RULE),
        Claim("10.0.0.3", NameSource.NEW_NODE_RULE),
    )
    assert written_claims(known, "w2") == ()


def test_what_a_source_that_does_not_count_lists_is_nobodys() -> None:
    inventory, pins = Shard({"w1": LISTED}), {"w1": PIN}
    by_pin = written_claims(sources(IdentitySource.PINS, inventory=inventory, pins=pins), "w1")
    assert {each.source for each in by_pin} == {NameSource.PIN}
    listed = written_claims(sources(IdentitySource.INVENTORY, inventory=inventory, pins=pins), "w1")
    assert {each.source for each in listed} == {NameSource.INVENTORY}
    bad = sources(inventory=Shard({"w1": BROKEN}), pins={"w1": BROKEN}, recorded={"w1": BROKEN})
    broken = msgspec.structs.replace(BROKEN, mentioned=("192.0.2.1", "w1"))
    # What is written down and cannot be read is nobody else's; of what the approver itself recorded nothing counts then.
    assert [each.value for each in written_claims(bad, "w1")] == ["w1", "w1"]
    bad = sources(inventory=Shard({"w1": broken}), pins={"w1": broken}, recorded={"w1": broken})
    claims = [(each.value, each.source) for each in written_claims(bad, "w1")]
    assert claims == [
        ("w1", NameSource.INVENTORY),
        ("192.0.2.1", NameSource.INVENTORY),
        ("w1", NameSource.PIN),
        ("192.0.2.1", NameSource.PIN),
    ]
    assert written_claims(sources(inventory=BROKEN), "w1") == ()
