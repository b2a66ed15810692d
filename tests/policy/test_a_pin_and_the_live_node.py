"""What has changed since a node was pinned: as `approver pin --diff` shows it, and as the rules hold it."""

from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames, ClaimedBy, OtherNodes
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.ownership import allowed_addresses, allowed_names, foreign_addresses
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import IdentitySources, answer_for
from kubevouch.policy.sources.nodes import PinDifference, PinnedNode, difference
from tests.support import nodes
from tests.support.requests import request

from .conftest import Case

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PIN = PinnedNode("w1", "uid-1", ("w1", "w1.example.com"), ("10.0.0.5", "fd00::5"), "m-1", (), NOW, "alice")  # fmt: skip


node = partial(nodes.node, "w1", uid="uid-1", machine_id="m-1")
NONE = OtherNodes()
SAME = ("w1", "w1.example.com", "10.0.0.5", "FD00:0::5", "")


def test_nothing_differs_where_the_node_claims_what_is_pinned() -> None:
    found = difference(PIN, node(*SAME))
    assert found == PinDifference("w1")


@pytest.mark.parametrize(
    ("live", "found"),
    [
        (node(*SAME, uid="uid-2"), PinDifference("w1", recreated="uid-2")),
        (node(*SAME, machine_id="m-2"), PinDifference("w1", other_machine="m-2")),
        (node(*SAME, "10.0.0.9", "alias"), PinDifference("w1", claimed=("10.0.0.9", "alias"))),
        (node("10.0.0.5"), PinDifference("w1", not_claimed=("w1.example.com", "fd00::5"))),
    ],
)
def test_what_differs_is_said_piece_by_piece(live: Node, found: PinDifference) -> None:
    assert difference(PIN, live) == found


def test_a_pin_that_states_no_uid_and_no_machine_differs_in_neither() -> None:
    bare = msgspec.structs.replace(PIN, uid="", machine_id="")
    assert difference(bare, node(*SAME)) == PinDifference("w1")


def asking(*values: str, live: Node, others: OtherNodes = NONE) -> CsrFacts:
    asked = AskedNames(("w1",), tuple(map(ip_address, values)))
    allowed = answer_for(live, asked, IdentitySources(pins={"w1": PIN}), at=NOW).allowed
    facts = Case(pem=request("w1", asked.names, values)).facts()
    return msgspec.structs.replace(facts, allowed=allowed, other_nodes=others)


def test_what_came_since_the_pin_is_held_and_the_difference_is_pointed_at() -> None:
    held = allowed_addresses(asking("10.0.0.5", "10.0.0.9", live=node(*SAME, "10.0.0.9")))
    assert (held.outcome, held.reason) == (Outcome.REFUSE, HoldReason.ADDRESS_NOT_ALLOWED)
    assert held.message == (
        "not this node's: 10.0.0.9; changed since it was pinned on 2026-11-25 by alice: "
        "kubevouch approver pin w1 --diff"
    )


def test_what_not_even_the_node_claims_is_held_without_a_hint() -> None:
    held = allowed_addresses(asking("10.0.0.9", live=node(*SAME)))
    assert held.message == "not this node's: 10.0.0.9"


def test_a_pin_of_another_uid_is_in_doubt_and_not_refused() -> None:
    for rule in (allowed_names, allowed_addresses):
        held = rule(asking("10.0.0.5", live=node(*SAME, uid="uid-2")))
        assert (held.outcome, held.reason) == (Outcome.CANNOT_TELL, HoldReason.PIN_OUTDATED)


@pytest.mark.parametrize(("proven", "outcome"), [(False, Outcome.PASS), (True, Outcome.REFUSE)])
def test_another_nodes_mere_claim_does_not_shake_a_pin(proven: bool, outcome: Outcome) -> None:
    others = OtherNodes(addresses={ip_address("10.0.0.5"): ClaimedBy("w2", proven=proven)})
    assert foreign_addresses(asking("10.0.0.5", live=node(*SAME), others=others)).outcome is outcome
