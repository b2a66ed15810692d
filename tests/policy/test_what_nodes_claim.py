"""From a Node's status and what is proven of it to what it may have; from the other Nodes to what it may not."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    ClaimedBy,
    NameSource,
    allowed_names_of,
    as_address,
    claims_value,
    confirmed,
    with_said,
)
from kubevouch.policy.decide import approval, denial
from kubevouch.x509 import unmapped
from tests.policy.look_at_all_nodes import other_nodes_of
from tests.support.nodes import node

PROVEN, CLAIMED, SAID = NameSource.SSH_HOST_KEY, NameSource.NODE_STATUS, NameSource.OPERATOR


def test_each_claim_has_the_best_that_is_known_of_it() -> None:
    found = node(
        "w1", "w1", "", "W1.example.com", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.3", "fd00::1"
    )
    seen = allowed_names_of(found, seen={"10.0.0.1": PROVEN, "10.0.0.2": PROVEN})
    allowed = confirmed(seen, ["10.0.0.2", "FD00::1", "elsewhere"])
    assert allowed.names == (Claim("w1", NameSource.NODE_NAME), Claim("W1.example.com", CLAIMED))
    assert allowed.addresses == (
        Claim("10.0.0.1", PROVEN),
        Claim("10.0.0.2", PROVEN, confirmed=True),
        Claim("10.0.0.3", CLAIMED),
        Claim("fd00::1", SAID),
    )
    assert [str(each) for each in allowed.addresses[:2]] == [
        "10.0.0.1 (its ssh host key answered there)",
        "10.0.0.2 (its ssh host key answered there; the operator says so)",
    ]


def test_a_node_that_is_named_like_an_address_has_not_proven_that_address() -> None:
    assert allowed_names_of(node("10.0.0.1", "10.0.0.1")).addresses == (Claim("10.0.0.1", CLAIMED),)


@pytest.mark.parametrize("zone", ["eth0", "e" * 100])
def test_an_address_with_a_zone_is_an_address_however_long_the_zone_is(zone: str) -> None:
    assert as_address(f"fe80::1%{zone}") == ip_address(f"fe80::1%{zone}")


@given(st.text("0123456789.:%abcfx/ \u0661\uff11+-_", max_size=45) | st.ip_addresses().map(str))
def test_an_address_is_what_the_standard_library_reads_as_one(text: str) -> None:
    try:
        expected = unmapped(ip_address(text))
    except ValueError:
        assert as_address(text) is None
    else:
        assert as_address(text) == expected


def test_what_the_operator_says_besides_is_added_once() -> None:
    allowed = with_said(
        allowed_names_of(node("w1", "w1")), ["w1", "10.0.0.9", "::ffff:10.0.0.9", "alias"]
    )
    assert allowed.names == (Claim("w1", NameSource.NODE_NAME), Claim("alias", SAID))
    assert allowed.addresses == (Claim("10.0.0.9", SAID),)


def test_the_operators_word_is_added_to_what_the_node_has_and_no_earlier_word_is_lost() -> None:
    allowed = AllowedNames(
        "w1",
        (Claim("w1", NameSource.NODE_NAME), Claim("shop", NameSource.PIN), Claim("alias", CLAIMED)),
        (
            Claim("10.0.0.1", PROVEN),
            Claim("10.0.0.2", CLAIMED),
            Claim("10.0.0.3", SAID),
            Claim("10.0.0.4", CLAIMED),
            Claim("10.0.0.5", PROVEN, confirmed=True),
            Claim("fd00::1", PROVEN),
        ),
        control_plane=True,
        listed="by alice",
    )
    said = ["shop", "alias", "::ffff:10.0.0.1", "10.0.0.2", "10.0.0.3", "FD00:0::1", "elsewhere"]
    assert confirmed(allowed, said) == AllowedNames(
        "w1",
        (
            Claim("w1", NameSource.NODE_NAME),
            Claim("shop", NameSource.PIN, confirmed=True),
            Claim("alias", SAID),
        ),
        (
            Claim("10.0.0.1", PROVEN, confirmed=True),
            Claim("10.0.0.2", SAID),
            Claim("10.0.0.3", SAID),
            Claim("10.0.0.4", CLAIMED),
            Claim("10.0.0.5", PROVEN, confirmed=True),
            Claim("fd00::1", PROVEN, confirmed=True),
        ),
        control_plane=True,
        listed="by alice",
    )
    assert confirmed(allowed, ()) == allowed


def test_of_two_other_nodes_the_one_that_has_proof_has_the_value_else_the_first() -> None:
    nodes = [
        node("w1", "10.0.0.1"),
        node("w2", "10.0.0.2", "Shared.example.com", ""),
        node("w3", "10.0.0.2", "::ffff:10.0.0.4", "shared.example.com", "127.0.0.1"),
        node("w4", "10.0.0.4", "w2"),
    ]
    pins = [
        ("w4", Claim("10.0.0.2", PROVEN)),
        ("w3", Claim("10.0.0.2", CLAIMED)),
        ("w1", Claim("10.0.0.1", PROVEN)),
    ]
    others = other_nodes_of("w1", nodes, frozenset({ip_address("127.0.0.1")}), pins)
    assert others.addresses == {
        ip_address("10.0.0.2"): ClaimedBy("w4", proven=True),
        ip_address("10.0.0.4"): ClaimedBy("w3", proven=False),
    }
    assert others.names == {
        "w2": ClaimedBy("w2", proven=True, by_name=True),
        "w3": ClaimedBy("w3", proven=True, by_name=True),
        "w4": ClaimedBy("w4", proven=True, by_name=True),
        "shared.example.com": ClaimedBy("w2", proven=False),
    }


def test_an_approval_says_who_and_on_what_grounds() -> None:
    condition = approval("run 3f2a")
    assert (condition.type, condition.status, condition.reason) == (
        "Approved",
        "True",
        "KubevouchApprove",
    )
    assert condition.message == "kubevouch: run 3f2a: every rule passed"
    by_pin = approval("w1", "pinned by alice")
    assert by_pin.message == (
        "kubevouch: w1: every rule passed; names and addresses: pinned by alice"
    )


def test_an_approval_names_the_rules_that_were_not_asked_and_what_it_goes_against() -> None:
    held = "the approver holds it: own-key (KeyOfAnotherNode)"
    by_hand = approval("w1", "pinned by alice", not_asked=("own-key", "budget"), besides=held)
    assert by_hand.message == (
        "kubevouch: w1: every checked rule passed; not checked: own-key, budget; "
        "the approver holds it: own-key (KeyOfAnotherNode); names and addresses: pinned by alice"
    )
    endless = approval("w1", "é" * 2000, not_asked=("own-key",), besides=held).message
    assert len(endless.encode()) <= 1024
    assert held in endless


def test_a_denial_says_why_in_the_operators_words() -> None:
    condition = denial("left the site")
    assert (condition.type, condition.status, condition.reason, condition.message) == (
        "Denied",
        "True",
        "KubevouchDeny",
        "kubevouch: left the site",
    )


@pytest.mark.parametrize(
    ("source", "good_for"),
    [
        (NameSource.NODE_NAME, "proof seen"),
        (NameSource.SSH_HOST_KEY, "proof seen pin"),
        (NameSource.OPERATOR, "proof pin operators"),
        (NameSource.INVENTORY, "proof pin operators written"),
        (NameSource.PIN, "proof pin operators written"),
        (NameSource.LIVE_CERTIFICATE, "proof"),
        (NameSource.NEW_NODE_RULE, "proof"),
        (NameSource.NODE_STATUS, ""),
    ],
)
def test_what_each_source_is_good_for(source: NameSource, good_for: str) -> None:
    words = ("proof", "seen", "pin", "operators", "written")
    assert [word for word in words if getattr(source, f"is_{word}")] == good_for.split()


@pytest.mark.parametrize("source", NameSource)
def test_the_operator_vouches_by_a_word_of_today_or_one_written_down(source: NameSource) -> None:
    own = source in (SAID, NameSource.INVENTORY, NameSource.PIN)
    assert Claim("x", source).by_operator is own
    assert Claim("x", source, confirmed=True).by_operator


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        ("w1", True),
        ("w1.example.com", True),
        ("10.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("FD00:0::1", True),
        ("w2", False),
        ("10.0.0.2", False),
        ("", False),
    ],
)
def test_a_node_claims_its_name_and_what_its_status_holds_in_any_spelling_of_an_address(
    value: str, claimed: bool
) -> None:
    assert claims_value(node("w1", "w1.example.com", "10.0.0.1", "fd00::1"), value) is claimed
