"""What `apply` pins of a node: what its plan proved, and the client certificates that lie on the node's disk."""

from datetime import UTC, datetime

from kubevouch.cli.rollout.approver_pins import proven_pin
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.policy.sources.nodes import PinnedNode
from kubevouch.rollout.decide.plan import ChangeKind

from .recorded import bent, planned, recorded

AT = datetime(2026, 11, 25, tzinfo=UTC)
NODE = bent(
    planned(recorded("expired-worker"), ChangeKind.APPROVE),
    node="worker-1",
    uid="uid-1",
    machine_id="machine-1",
    names=(Claim("worker-1", NameSource.NODE_NAME),),
    addresses=(
        Claim("192.0.2.1", NameSource.SSH_HOST_KEY),
        Claim("192.0.2.8", NameSource.OPERATOR),
        Claim("192.0.2.9", NameSource.NODE_STATUS),
    ),
)


def test_a_pin_has_what_is_proven_and_names_the_client_certificates_on_the_disk() -> None:
    """A CSR that somebody made with another one waits for such a pin, too: it must not be what releases it."""
    assert proven_pin(NODE, {"b" * 64, "a" * 64}, at=AT, by="apply, run 1") == PinnedNode(
        "worker-1",
        "uid-1",
        ("worker-1",),
        ("192.0.2.1", "192.0.2.8"),
        machine_id="machine-1",
        client_certificates=("a" * 64, "b" * 64),
        pinned_at=AT,
        by="apply, run 1",
        allowed=("192.0.2.8",),
    )
