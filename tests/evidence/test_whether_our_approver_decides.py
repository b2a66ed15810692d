"""What a Deployment and a Lease of our approver say: whether it decides, and if not, why."""

from datetime import timedelta

import pytest

from kubevouch.evidence.approvers import OurApprover

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NO_PODS = "its Deployment has 0 replicas"
WELL = OurApprover(wanted=1, ready=1, leader="a", silent=SECOND)


@pytest.mark.parametrize(
    "found",
    [
        WELL,
        OurApprover(wanted=2, ready=1, leader="a", silent=59 * SECOND),
        # Started by hand: no Deployment, and it leads.
        OurApprover(wanted=0, ready=0, leader="a", silent=SECOND),
        OurApprover(wanted=0, ready=0, leader="operators-laptop_0123", silent=14 * SECOND),
        # Scaled to nothing, and its last pod is on its way out.
        OurApprover(wanted=0, ready=1, leader="kubevouch-approver-7d4b-x2x7k_0123", silent=SECOND),
        # A new version rolls out, and the old one leads still.
        OurApprover(wanted=1, ready=0, leader="a", silent=SECOND),
        # The API server's whole seconds make it look as if it was renewed in a moment.
        OurApprover(wanted=1, ready=1, leader="a", silent=-SECOND),
        # Its Deployment may be gone, and its pod runs on.
        OurApprover(1, 1, "kubevouch-approver-7d4b-x2x7k_0123", SECOND),
        # Between two leaders: one has given the Lease back, and the other takes it this moment.
        OurApprover(wanted=1, ready=1, leader="", silent=9 * SECOND),
    ],
)
def test_who_holds_the_lease_decides(found: OurApprover) -> None:
    assert found.decides
    assert found.why_not == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (OurApprover(0, 0, "", None), NO_PODS),
        # The Lease was left behind by a pod that went with its Deployment, or by a process that nobody follows.
        (OurApprover(0, 0, "kubevouch-approver-7d4b9c6f5-x2x7k_0123", SECOND), NO_PODS),
        (OurApprover(0, 0, "operators-laptop_0123", 15 * SECOND), NO_PODS),
        (OurApprover(1, 0, "a", HOUR), "0 of 1 pods are ready"),
        (OurApprover(2, 0, "", SECOND), "0 of 2 pods are ready"),
        (OurApprover(1, 1, "", None), "its pods are ready, but none has ever led"),
        (OurApprover(1, 1, "", 10 * SECOND), "its pods are ready, but none leads"),
        (
            OurApprover(1, 1, "a", 60 * SECOND),
            "its pods are ready, but none leads: the Lease was last renewed 60 seconds ago",
        ),
        (
            OurApprover(2, 2, "a", HOUR),
            "its pods are ready, but none leads: the Lease was last renewed 60 minutes ago",
        ),
    ],
)
def test_why_nobody_does(found: OurApprover, why: str) -> None:
    assert not found.decides
    assert found.why_not == why
