"""What fails around the approver: every good CSR is approved once all the same, and nothing is written by who may not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.e2e.told import (
    ended,
    eventually,
)

from .installed import ApproverPod, InstalledApprover, assert_approved_once
from .simulated import Joining, SimulatedNode, burst

_WRITES = {"create", "update", "patch", "delete"}
_CONFLICT = 409
_REVIEWS = {"tokenreviews", "subjectaccessreviews"}
"""Asked for with `create`, though nothing is written: by probes and whoever reads the metrics."""


@pytest.fixture(scope="module")
def both(approver: InstalledApprover) -> Iterator[InstalledApprover]:
    """Two pods, one of which leads."""
    approver.scale(2)
    yield approver
    approver.scale(1)


def _lead_again(approver: InstalledApprover, former: str) -> ApproverPod:
    """The pod that leads now, another process than before."""

    def look() -> bool:
        return approver.holder() not in {"", former}

    eventually(look, "another leader")
    return approver.leader()


def _writes(
    approver: InstalledApprover, since: datetime, pod: str
) -> list[tuple[str, str, str, int]]:
    return [
        (each.verb, each.what, each.name, each.code)
        for each in approver.requests(since, pod)
        if each.verb in _WRITES and each.what not in _REVIEWS
    ]


@pytest.mark.as_the_version_is
def test_a_leader_that_is_killed_in_aburst_loses_no_csr(
    both: InstalledApprover, site: Joining, crowd: list[SimulatedNode], now: datetime
) -> None:
    leader, former = both.leader(), both.holder()
    process = leader.process
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(burst, crowd)
        eventually(lambda: both.approvals(now), "the first approval of the burst")
        leader.signal(process, "KILL")
        asked = asking.result()
    for name in asked:
        site.approved(name, seconds=90)
    _lead_again(both, former)
    assert_approved_once(both, asked, now)


@pytest.mark.long_on_the_bed
def test_a_leader_that_was_stopped_past_its_lease_writes_nothing_once_it_goes_on(
    both: InstalledApprover, site: Joining, crowd: list[SimulatedNode], now: datetime
) -> None:
    """SIGSTOP in a burst: it wakes up with a queue of CSRs that it had meant to approve."""
    both.scale(2)
    leader, former = both.leader(), both.holder()
    process = leader.process
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(burst, crowd)
        eventually(lambda: both.approvals(now), "the first approval of the burst")
        leader.signal(process, "STOP")
        try:
            asked = asking.result()
            successor = _lead_again(both, former)
            for name in asked:
                site.approved(name, seconds=90)
            woken = datetime.now(UTC)
        finally:
            leader.signal(process, "CONT")
    # It is awake, and has seen that it does not lead, once it asks about the Lease again.
    eventually(
        lambda: any(each.what == "leases" for each in both.requests(woken, leader.name)),
        "that it asks about the Lease",
    )
    assert successor.name != leader.name
    writes = _writes(both, woken, leader.name)
    # A process that is stopped between its last question whether it leads and the first byte cannot know of it. What it then
    # sends is one patch, of a version that the successor's approval has replaced: the API server refuses it.
    assert [each for each in writes if each[3] != _CONFLICT] == []
    assert len(writes) <= 1, writes
    assert_approved_once(both, asked, now)


@pytest.mark.long
@pytest.mark.usefixtures("bed")
def test_an_api_server_that_starts_again_loses_no_csr(
    approver: InstalledApprover, site: Joining, crowd: list[SimulatedNode], now: datetime
) -> None:
    node = approver.cluster.master
    before = node.sh("pgrep -x kube-apiserver").stdout.split()
    held = site.join("before-the-restart.example.com", "192.168.200.2").ask()
    site.held(held, "NodeUnknown")
    asked = burst(crowd[:10])
    node.sh(f"kill {' '.join(before)}")

    def again() -> bool:
        there = node.sh("pgrep -x kube-apiserver", check=False).stdout.split()
        ready = approver.cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok"
        return there not in ([], before) and ready

    eventually(again, "the API server")
    asked += burst(crowd[10:])
    for name in asked:
        site.approved(name, seconds=90)
    ended(approver.cluster, 0, "approver", "pin", "before-the-restart.example.com", "--yes")
    site.approved(held)
    assert_approved_once(approver, [*asked, held], now)
