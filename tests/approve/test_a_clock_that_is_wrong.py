"""An approver whose machine has a wrong clock: it judges by the API server's, and a metric shows it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.kube.server_clock import ServerClock
from kubevouch.system_clock import SystemClock
from tests.approve.conftest import Cluster, ago, approving
from tests.support.clocks import WoundClock
from tests.support.scripted.kinds import CSRS


class WrongClock(SystemClock):
    """The wall clock is so much ahead; time passes as it does."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead


NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOURS = [timedelta(hours=5), timedelta(hours=-5), timedelta(minutes=-10), timedelta(days=800)]


@pytest.mark.parametrize("ahead", HOURS)
async def test_a_fresh_csr_is_approved_whatever_this_machines_clock_shows(
    cluster: Cluster, ahead: timedelta
) -> None:
    cluster.listed("n1")
    async with approving(cluster, clock=WrongClock(ahead)) as running:
        await cluster.approves("csr-1", "n1")
        assert running.metric("kubevouch_approver_clock_ahead_seconds") == pytest.approx(
            ahead.total_seconds(), abs=5
        )
    (condition,) = cluster.conditions("csr-1")
    # What is written for ever has the time at which it happened.
    written = datetime.fromisoformat(condition["lastUpdateTime"])
    assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("ahead", HOURS)
async def test_a_csr_whose_kubelet_has_given_up_is_held_whatever_this_machines_clock_shows(
    cluster: Cluster, ahead: timedelta
) -> None:
    """By a clock that is as much behind as the CSR is old, it would look as if it had just been made."""
    cluster.listed("n1")
    made = cluster.csr("csr-1", "n1")
    made["metadata"]["creationTimestamp"] = ago(max(1200, -ahead.total_seconds()))
    cluster.server.store.put(CSRS, made)
    async with approving(cluster, clock=WrongClock(ahead)) as running:
        await running.decided("csr-1")
        assert "TooOld" in running.log
        await asyncio.sleep(0.2)
    assert not cluster.conditions("csr-1")


def test_between_two_answers_the_api_servers_clock_goes_on() -> None:
    own = WoundClock(NOON)
    clock = ServerClock(own)
    clock.answered("Tue, 24 Nov 2026 15:00:00 GMT", own.monotonic())
    own.wind(timedelta(minutes=2))
    assert clock.now() == datetime(2026, 11, 24, 15, 2, tzinfo=UTC)
    assert clock.own_is_ahead == -timedelta(hours=3)


@pytest.mark.parametrize(
    ("date", "took", "ahead"),
    [
        # The header has whole seconds, and the answer was on its way for a while.
        ("Tue, 24 Nov 2026 11:59:58 GMT", 1.5, 0.0),
        ("Tue, 24 Nov 2026 11:59:57 GMT", 1.5, 0.5),
        ("Tue, 24 Nov 2026 15:00:00 GMT", 6.0, 0.0),
        ("", 0.0, 0.0),
        ("yesterday", 0.0, 0.0),
        ("Tue, 24 Nov 2026 15:00:00 +0100", 0.0, 0.0),
        ("Tue, 24 Nov 2026 25:00:00 GMT", 0.0, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 0.0, 0.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0, 0.0),
        ("2026-11-24T15:00:00Z", 0.0, 0.0),
    ],
)
def test_this_machines_clock_counts_as_long_as_the_answer_leaves_it_possible(
    date: str, took: float, ahead: float
) -> None:
    own = WoundClock(NOON)
    clock = ServerClock(own)
    clock.answered(date, own.monotonic() - took)
    assert clock.now() == NOON - timedelta(seconds=ahead)
