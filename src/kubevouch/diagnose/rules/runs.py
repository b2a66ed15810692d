"""Runs of `apply` and `undo` that have not ended: who holds the cluster's Lease, and what this machine's own record adds to it."""

from datetime import timedelta

from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.snapshot import Evidence

_SWITCHES_ARE_OVER = timedelta(hours=1)
"""A switch goes off four minutes after the change, unless --gate-timeout says otherwise."""


def unfinished_holder(evidence: Evidence) -> RunHolder | None:
    """Who holds the Lease and may have nodes in hand, from whichever machine; None if nobody does, or is known to."""
    holder = evidence.run_holder.value
    if holder is None or holder.silent >= _SWITCHES_ARE_OVER:
        return None
    return None if _was_put_back(holder, evidence) else holder


def _was_put_back(holder: RunHolder, evidence: Evidence) -> bool:
    """It was cut off on this machine, which knows of each node that it had in hand: their switches have had their time, or they were asked since."""
    if holder.is_alive or holder.undoes or evidence.own_holder != holder.identity:
        return False
    in_hand = [each for each in evidence.unfinished_runs if each.run == holder.run]
    if not in_hand:
        return evidence.own_is_over
    return not any(each.may_last(evidence.at) for each in in_hand)
