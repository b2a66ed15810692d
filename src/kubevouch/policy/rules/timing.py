"""Whether a decision still matters: a kubelet drops its key 15 minutes after its request."""

from datetime import timedelta

from kubevouch.policy.facts import (
    CsrFacts,
    RuleResult,
    cannot_tell,
    listed,
    not_asked,
    passes,
    refuses,
)
from kubevouch.policy.reasons import HoldReason

_FRESH = timedelta(minutes=14)
"""A kubelet waits 15 minutes for its CSR and then drops its key (certificateWaitTimeout)."""

_SKEW = timedelta(minutes=1)
"""How far ahead of the API server's clock a CSR may be dated."""


def undecided(facts: CsrFacts) -> RuleResult:
    """Nobody can withdraw a decision (pkg/apis/certificates/validation/validation.go)."""
    conditions = facts.csr.conditions
    if conditions:
        return refuses(
            "undecided",
            HoldReason.ALREADY_DECIDED,
            "it is already approved, denied or failed",
            seen=listed(conditions),
            allowed="no condition yet",
        )
    return passes("undecided", "pending")


def newest(facts: CsrFacts) -> RuleResult:
    """The kubelet holds the key of its newest CSR only."""
    name = facts.csr.name
    if facts.csr.created is None or facts.newest is None:
        return cannot_tell("newest", "it is not known which CSR of this node is the newest")
    if facts.newest != name:
        return refuses(
            "newest",
            HoldReason.SUPERSEDED,
            "its kubelet has made a newer CSR, with another key",
            seen=name,
            allowed=facts.newest,
        )
    return passes("newest", name)


def fresh(facts: CsrFacts) -> RuleResult:
    """The running kubelet made it, and still waits for it."""
    csr, allowed = facts.csr, "made less than 14 minutes ago"
    if csr.created is None:
        return cannot_tell("fresh", "it is not known when it was made", allowed=allowed)
    age = facts.at - csr.created
    seconds = int(age.total_seconds())
    # The API server's clock is known to the second only.
    seen = (
        f"made {seconds} s ago"
        if seconds >= 0
        else f"made {-seconds} s ahead of the API server's clock"
    )
    if -age > _SKEW:
        return cannot_tell(
            "fresh",
            "it is dated in the future, by the API server's clock",
            seen=f"{-seconds} s ahead",
            allowed=allowed,
        )
    started = facts.kubelet_started
    if started is not None and csr.created < started:
        return refuses(
            "fresh",
            HoldReason.TOO_OLD,
            "its kubelet has restarted since and holds another key",
            seen=seen,
            allowed="made since the kubelet's start",
        )
    if age > _FRESH:
        return refuses(
            "fresh",
            HoldReason.TOO_OLD,
            "its kubelet has stopped waiting for it, or is about to",
            seen=seen,
            allowed=allowed,
        )
    return passes("fresh", seen, allowed)


def budget(facts: CsrFacts) -> RuleResult:
    """The node got no more certificates lately than an honest kubelet needs.

    An exhausted budget holds this node's CSRs only.
    """
    rule, left = "budget", facts.approvals_left
    if left is None:
        return not_asked(
            rule, "only the running approver checks this: it counts each node's approvals"
        )
    if left <= 0:
        return refuses(
            rule,
            HoldReason.OVER_BUDGET,
            "it got more certificates lately than a kubelet needs; the approver approves the next one in some minutes",
            seen="no approval left",
            allowed="6 at once, then one in 10 minutes",
        )
    return passes(rule, f"{left} left")
