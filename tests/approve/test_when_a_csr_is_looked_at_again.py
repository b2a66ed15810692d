"""Waits, budgets, order and words: what the approver decides besides the policy, without a cluster."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.approve.act.queue import DecisionQueue
from kubevouch.approve.decide.approved_lately import AT_ONCE, ApprovalBudget
from kubevouch.approve.decide.look import HELD, is_over, next_look
from kubevouch.approve.decide.waiting import WaitingCsrs
from kubevouch.kube.resources import CertificateSigningRequest, bounded_note
from kubevouch.kube.resources.certificates import CsrSpec
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.outcome import combined
from kubevouch.policy.decide import Decision
from kubevouch.policy.facts import RuleResult, cannot_tell, refuses
from kubevouch.policy.reasons import HoldReason
from tests.support.clocks import SteppedClock
from tests.support.tasks import meanwhile

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOTHING = timedelta()


def decision(*results: RuleResult) -> Decision:
    return Decision("csr-1", combined([each.outcome for each in results]), results)


def held(reason: HoldReason) -> RuleResult:
    return refuses(reason, "no", seen="this", allowed="that")


DOUBT = cannot_tell("the nodes could not be read")


@pytest.mark.parametrize(
    ("failures", "shortest"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (99, 30)]
)
def test_what_cannot_be_told_is_asked_again_ever_more_slowly(
    failures: int, shortest: float
) -> None:
    """From two seconds to a minute, half of it at random."""
    assert next_look(decision(DOUBT), failures, lambda: 0.0, NOTHING) == shortest
    assert next_look(decision(DOUBT), failures, lambda: 1.0, NOTHING) == 2 * shortest
    assert next_look(None, failures, lambda: 0.0, NOTHING) == shortest


def test_a_refusal_is_looked_at_again_after_five_minutes() -> None:
    found = decision(held(HoldReason.NAME_NOT_ALLOWED))
    assert next_look(found, 0, lambda: 0.0, NOTHING) == HELD


@pytest.mark.parametrize(
    "reason", [HoldReason.TOO_OLD, HoldReason.SUPERSEDED, HoldReason.ALREADY_DECIDED]
)
def test_what_can_never_pass_is_not_looked_at_again(reason: HoldReason) -> None:
    found = decision(held(reason), held(HoldReason.NAME_NOT_ALLOWED))
    assert is_over(found)
    assert next_look(found, 0, lambda: 0.0, NOTHING) is None


def test_a_spent_budget_is_looked_at_when_there_is_one_more() -> None:
    found = decision(held(HoldReason.OVER_BUDGET))
    assert next_look(found, 0, lambda: 0.0, timedelta(seconds=90)) == 91
    assert next_look(found, 0, lambda: 0.0, timedelta(hours=1)) == HELD


def test_a_node_has_six_at_once_and_then_one_in_ten_minutes() -> None:
    budget = ApprovalBudget()
    for number in range(AT_ONCE):
        assert budget.left("n1", NOW) == AT_ONCE - number
        budget.spend("n1", f"uid-{number}", NOW)
    assert budget.left("n1", NOW) == 0
    assert budget.left("n2", NOW) == AT_ONCE
    assert budget.wait("n1", NOW) == timedelta(minutes=10)
    assert budget.wait("n2", NOW) == NOTHING
    later = NOW + timedelta(minutes=10)
    assert budget.left("n1", later) == 1
    assert budget.wait("n1", later) == NOTHING
    assert budget.left("n1", NOW + timedelta(hours=9)) == AT_ONCE


def test_an_approval_that_is_told_twice_counts_once() -> None:
    """By our own write, and by the watch."""
    budget = ApprovalBudget()
    for _ in range(9):
        budget.spend("n1", "uid-1", NOW)
    assert budget.left("n1", NOW) == AT_ONCE - 1


def test_budgets_do_not_pile_up() -> None:
    budget = ApprovalBudget()
    for number in range(5_000):
        budget.spend(f"n{number}", "u", NOW + timedelta(hours=number))
    assert len(budget._buckets) <= 1_000


def test_what_others_wrote_is_one_line_of_bounded_length() -> None:
    assert bounded_note("a\nb\x1b[0m", 100) == "a?b?[0m"
    assert bounded_note("ü" * 100, 21) == "ü" * 9 + "..."
    assert bounded_note("short", 5) == "short"


def asking(waits: WaitingCsrs, name: str, minutes: float, *, over: bool = False) -> None:
    made = NOW - timedelta(minutes=minutes)
    found = CertificateSigningRequest(
        metadata=ManagedMetadata(name=name, creation_timestamp=made), spec=CsrSpec(username=name)
    )
    waiting = waits.put(found)
    assert waiting is not None
    waiting.over = over


def test_what_waits_is_counted_until_its_kubelet_has_asked_again_or_gone() -> None:
    waits = WaitingCsrs(lambda _: True, lambda _: False)
    asking(waits, "new", 1)
    asking(waits, "too-old", 16, over=True)
    asking(waits, "of-a-dead-node", 300, over=True)
    asking(waits, "held", 13)
    assert sorted(waits.unresolved(NOW)) == [timedelta(minutes=m) for m in (1, 13, 16)]


async def test_one_csr_is_looked_at_by_one_worker_at_a_time_and_again_after_a_change() -> None:
    queue = DecisionQueue[str](SteppedClock())
    queue.put("a")
    queue.put("a")
    queue.put("b")
    assert await queue.get() == "a"
    assert await queue.get() == "b"
    assert queue.depth == 2
    queue.put("a")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("b")
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert queue.depth == 0


async def test_a_worker_knows_when_it_was_last_said_that_a_csr_is_due() -> None:
    clock = SteppedClock()
    queue = DecisionQueue[str](clock)
    async with meanwhile(queue.run()):
        await asyncio.sleep(0)
        queue.put("a")
        queue.put("late", 4)
        await clock.wind(timedelta(seconds=1))
        queue.put("a")
        await clock.wind(timedelta(seconds=1))
        assert await queue.get() == "a"
        assert queue.queued_at("a") == 1
        queue.put("a")
        await clock.wind(timedelta(seconds=1))
        queue.done("a")
        assert await queue.get() == "a"
        assert queue.queued_at("a") == 3
        queue.put("late", 2)
        await clock.wind(timedelta(seconds=3))
        assert await queue.get() == "late"
        assert queue.queued_at("late") == 4, "the earlier of two times counts"


async def test_what_waits_comes_up_at_its_time_and_the_earlier_of_two_times_counts() -> None:
    clock = SteppedClock()
    queue = DecisionQueue[str](clock)
    async with meanwhile(queue.run()):
        await asyncio.sleep(0)
        queue.put("a", 300)
        queue.put("a", 10)
        queue.put("a", 60)
        await clock.wind(timedelta(seconds=9))
        assert queue.depth == 0
        await clock.wind(timedelta(seconds=2))
        assert await queue.get() == "a"
        queue.done("a")
        await clock.wind(timedelta(seconds=600))
        assert queue.depth == 0
