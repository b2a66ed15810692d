"""What has changed since a node was pinned: as `approver pin --diff` shows it, and as the rules hold it."""

from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import OtherNodes
from kubevouch.policy.sources.nodes import PinDifference, PinnedNode, difference
from tests.support import nodes

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PIN = PinnedNode("w1", "uid-1", ("w1", "w1.example.com"), ("10.0.0.5", "fd00::5"), "m-1", (), NOW, "alice")  # fmt: skip


node = partial(nodes.node, "w1", uid="uid-1", machine_id="m-1")
NONE = OtherNodes()
SAME = ("w1", "w1.example.com", "10.0.0.5", "FD00:0::5", "")


@pytest.mark.parametrize(
    ("live", "found"),
    [
        (node(*SAME), PinDifference("w1")),
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
