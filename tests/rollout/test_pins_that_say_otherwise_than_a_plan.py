"""Which of the approver's pins say otherwise than a plan has proven: the approver would hold those nodes' CSRs."""

from datetime import UTC, datetime

import msgspec
import pytest

from kubevouch.cli.rollout.approver_pins import outdated_pins, proven_pin
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.policy.sources.pinned import PinnedNode
from kubevouch.policy.sources.stored import Unreadable
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan

NODE = NodePlan(
    node="worker-1",
    uid="uid-1",
    machine_id="machine-1",
    host="worker-1",
    host_key="",
    control_plane=False,
    kubelet_version="v1.36.3",
    change=ChangeKind.APPROVE,
    dial=("192.0.2.1",),
    port=10250,
    names=(Claim("worker-1", NameSource.NODE_NAME),),
    addresses=(
        Claim("192.0.2.1", NameSource.SSH_HOST_KEY),
        Claim("192.0.2.9", NameSource.NODE_STATUS),
    ),
)
PIN = PinnedNode("worker-1", "uid-1", ("worker-1",), ("192.0.2.1",), machine_id="machine-1")


@pytest.mark.parametrize(
    "pin",
    [
        PIN,
        msgspec.structs.replace(PIN, uid="", machine_id=""),
        msgspec.structs.replace(PIN, addresses=("192.0.2.1", "192.0.2.7")),
    ],
    ids=["the same", "of any Node of the name", "more than the plan knows"],
)
def test_a_pin_that_has_all_that_is_proven_is_good(pin: PinnedNode) -> None:
    assert outdated_pins([NODE], {"worker-1": pin}) == ()


@pytest.mark.parametrize(
    "pin",
    [
        msgspec.structs.replace(PIN, uid="uid-0"),
        msgspec.structs.replace(PIN, machine_id="machine-0"),
        msgspec.structs.replace(PIN, addresses=("192.0.2.9",)),
        msgspec.structs.replace(PIN, names=()),
        Unreadable("kubevouch-pins-1", "version 9", "1 was expected"),
    ],
    ids=["another Node", "another machine", "another address", "no name", "unreadable"],
)
def test_a_pin_of_something_else_is_told(pin: PinnedNode | Unreadable) -> None:
    other = msgspec.structs.replace(NODE, node="worker-2")
    assert outdated_pins([NODE, other], {"worker-1": pin}) == ("worker-1",)


def test_a_pin_of_a_plan_says_what_is_proven_and_which_client_certificate_lies_on_the_disk() -> (
    None
):
    """A CSR that somebody made with another certificate waits for such a pin, too: it must not be what releases it."""
    at = datetime(2026, 11, 25, tzinfo=UTC)
    said = Claim("192.0.2.8", NameSource.OPERATOR)
    node = msgspec.structs.replace(NODE, addresses=(*NODE.addresses, said))
    assert proven_pin(node, {"b" * 64, "a" * 64}, at=at, by="apply, run 1") == PinnedNode(
        "worker-1",
        "uid-1",
        ("worker-1",),
        ("192.0.2.1", "192.0.2.8"),
        machine_id="machine-1",
        client_certificates=("a" * 64, "b" * 64),
        pinned_at=at,
        by="apply, run 1",
        allowed=("192.0.2.8",),
    )
