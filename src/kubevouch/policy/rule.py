"""The result of a rule about a CSR, in one form for `explain`, `approve`, `apply`, logs and JSON."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from kubevouch.outcome import Outcome
from kubevouch.policy.facts import CsrFacts, NameFacts
from kubevouch.policy.reasons import HoldReason


class RuleResult(msgspec.Struct, frozen=True, rename="camel"):
    """One rule's answer: what it saw, and what it would allow."""

    rule: str
    outcome: Outcome
    reason: HoldReason
    message: str
    seen: str = ""
    allowed: str = ""
    operator_may_allow: tuple[str, ...] = ()
    """Values that the operator can give to this node, so that the rule passes. Empty: nothing overrides it."""

    def __str__(self) -> str:
        return f"{self.seen}: {self.message}" if self.seen else self.message


T = TypeVar("T")
Rule = Callable[[CsrFacts], RuleResult]
NameRule = Callable[[NameFacts], RuleResult]


def passes(rule: str, seen: str, allowed: str = "") -> RuleResult:
    """The rule passes."""
    return RuleResult(rule, Outcome.PASS, HoldReason.PASSES, "", seen, allowed)


def not_asked(rule: str, why: str) -> RuleResult:
    """The rule lets it pass without having looked: nobody gave it what it needs. Shown wherever a decision is."""
    return RuleResult(rule, Outcome.PASS, HoldReason.NOT_ASKED, why, f"not asked: {why}")


def refuses(
    rule: str,
    reason: HoldReason,
    message: str,
    *,
    seen: str,
    allowed: str,
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The rule holds the CSR."""
    return RuleResult(rule, Outcome.REFUSE, reason, message, seen, allowed, operator_may_allow)


def cannot_tell(
    rule: str,
    message: str,
    reason: HoldReason = HoldReason.NOT_IN_EVIDENCE,
    *,
    seen: str = "",
    allowed: str = "",
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The rule lacks evidence. The CSR is held, though nothing is wrong with it."""
    return RuleResult(rule, Outcome.CANNOT_TELL, reason, message, seen, allowed, operator_may_allow)


def unreadable(rule: str) -> RuleResult:
    """The result of a rule about the contents of a CSR that cannot be parsed."""
    return cannot_tell(rule, "the CSR cannot be read", HoldReason.UNREADABLE)


MOST_LISTED = 24
"""More than any kubelet asks for: a CSR with thousands of names must not fill a screen."""


def listed(values: Sequence[object]) -> str:
    """Values for a person: comma-separated, or the word none; of a flood the first, and how many more."""
    shown = ", ".join(str(value) for value in values[:MOST_LISTED]) or "none"
    more = len(values) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
