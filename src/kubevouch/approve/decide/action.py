"""What becomes of a CSR after the policy has decided, and when one that was not approved is looked at again."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from kubevouch.outcome import Outcome
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason


class Action(StrEnum):
    """What becomes of a CSR. Nothing is denied: a kubelet whose CSR is denied sends another one every 32 seconds."""

    APPROVE = "approve"
    HOLD = "hold"
    """It stays pending."""

    CANNOT_TELL = "cannot-tell"
    """It stays pending, and is looked at again soon."""


_ACTIONS: Final = {
    Outcome.PASS: Action.APPROVE,
    Outcome.REFUSE: Action.HOLD,
    Outcome.CANNOT_TELL: Action.CANNOT_TELL,
}


def action_of(decision: Decision) -> Action:
    """The action for this decision."""
    return _ACTIONS[decision.outcome]


FIRST: Final = 2.0
LONGEST: Final = 60.0
HELD: Final = 300.0
"""Seconds. A refusal is looked at again earlier when a Node, a pin or the configuration changes."""

_FOR_GOOD: Final = {HoldReason.ALREADY_DECIDED, HoldReason.SUPERSEDED, HoldReason.TOO_OLD}


def is_over(decision: Decision) -> bool:
    """Whether the CSR can never pass any more, whatever changes: its kubelet has given up or asked anew."""
    return any(each.reason in _FOR_GOOD for each in decision.held_by)


def next_look(
    decision: Decision | None, failures: int, rng: Callable[[], float], budget: timedelta
) -> float | None:
    """Seconds until the next look; None: never by itself.

    decision: None if the Node could not be read. failures: looks in a row, this one included, that could not tell.
    budget: how long until the node may have one more.
    """
    if decision is None or decision.outcome is Outcome.CANNOT_TELL:
        longest = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16))
        # Half of the wait is fixed, half is random: many that wait for one thing are spread.
        return longest * (1 + rng()) / 2
    if is_over(decision):
        return None
    if any(each.reason is HoldReason.OVER_BUDGET for each in decision.held_by):
        return min(HELD, budget.total_seconds() + 1)
    return HELD
