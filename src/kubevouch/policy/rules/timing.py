"""Rules about time. A kubelet discards its key 15 minutes after it made the CSR."""

from datetime import timedelta

from kubevouch.policy.facts import (
    CsrFacts,
    RuleResult,
    cannot_tell,
    listed,
    not_asked,
    passes_if,
    refuses,
)
from kubevouch.policy.reasons import HoldReason

_FRESH = timedelta(minutes=14)
"""The maximum age of a CSR. A kubelet waits 15 minutes for its certificate, then discards its key (certificateWaitTimeout)."""

_SKEW = timedelta(minutes=1)
"""How far a CSR's creation time may be ahead of the API server's clock."""


def undecided(facts: CsrFacts) -> RuleResult:
    """The CSR has no condition yet. A condition is final (pkg/apis/certificates/validation/validation.go)."""
    conditions = facts.csr.conditions
    return passes_if(
        good=not conditions,
        reason=HoldReason.ALREADY_DECIDED,
        message="the CSR was already approved or denied, or has failed",
        seen=listed(conditions) if conditions else "pending",
        allowed="no condition yet",
    )


def newest(facts: CsrFacts) -> RuleResult:
    """The kubelet has made no newer CSR. It discards the keys of its earlier ones."""
    if facts.csr.created is None or facts.newest is None:
        return cannot_tell("the node's newest CSR is unknown")
    return passes_if(
        good=facts.newest == facts.csr.name,
        reason=HoldReason.SUPERSEDED,
        message="the kubelet has made a newer CSR, with another key",
        seen=facts.csr.name,
        allowed=facts.newest,
    )


def fresh(facts: CsrFacts) -> RuleResult:
    """The running kubelet made the CSR and still waits for the certificate."""
    csr, allowed = facts.csr, "made less than 14 minutes ago"
    if csr.created is None:
        return cannot_tell("it is unknown when the CSR was made", allowed=allowed)
    age = facts.at - csr.created
    seconds = int(age.total_seconds())
    # The API server's clock is known to the second only.
    seen = (
        f"made {seconds} s ago" if seconds >= 0 else f"{-seconds} s ahead of the API server's clock"
    )
    if -age > _SKEW:
        return cannot_tell(
            "the CSR's creationTimestamp is ahead of the API server's clock",
            seen=f"{-seconds} s ahead",
            allowed=allowed,
        )
    started = facts.kubelet_started
    if started is not None and csr.created < started:
        return refuses(
            HoldReason.TOO_OLD,
            "the kubelet has restarted since then and has another key",
            seen=seen,
            allowed="made since the kubelet's start",
        )
    return passes_if(
        good=age <= _FRESH,
        reason=HoldReason.TOO_OLD,
        message="the kubelet has stopped waiting for the certificate, or is about to",
        seen=seen,
        allowed=allowed,
    )


def budget(facts: CsrFacts) -> RuleResult:
    """The node has not recently received more certificates than a kubelet needs."""
    left = facts.approvals_left
    if left is None:
        return not_asked("only the running approver checks this")
    return passes_if(
        good=left > 0,
        reason=HoldReason.OVER_BUDGET,
        message="the node recently received more certificates than a kubelet needs; the next may take up to 10 minutes",
        seen=f"{left} left" if left > 0 else "no approval left",
        allowed="6 at once, then one every 10 minutes",
    )
