"""Whether a decision would still mean anything: the kubelet drops its key 15 minutes after asking."""

from kubevouch.policy.question import Question
from kubevouch.policy.ruling import Reason, Ruling, cannot_tell, listed, passes, refuses


def undecided(question: Question) -> Ruling:
    """A decision can never be withdrawn (pkg/apis/certificates/validation/validation.go)."""
    conditions = question.request.conditions
    if conditions:
        return refuses(
            "undecided",
            Reason.ALREADY_DECIDED,
            "it has been decided",
            seen=listed(conditions),
            allowed="no condition yet",
        )
    return passes("undecided", "pending")


def newest(question: Question) -> Ruling:
    """Only the newest request of a node has a key that its kubelet still holds."""
    name = question.request.name
    if question.request.created is None or question.newest is None:
        return cannot_tell("newest", "it is not known which request of this node is the newest")
    if question.newest != name:
        return refuses(
            "newest",
            Reason.SUPERSEDED,
            "its kubelet has asked again since, with another key",
            seen=name,
            allowed=question.newest,
        )
    return passes("newest", name)


def fresh(question: Question) -> Ruling:
    """Made by the kubelet that runs now, and not so long ago that it has given up waiting."""
    request, limit = question.request, question.limits.freshness
    allowed = f"made less than {limit.total_seconds() / 60:.0f} minutes ago"
    if request.created is None:
        return cannot_tell("fresh", "a bare request does not say when it was made", allowed=allowed)
    age = question.at - request.created
    seen = f"made {max(0, int(age.total_seconds()))} s ago"
    started = question.kubelet_started
    if started is not None and request.created < started:
        return refuses(
            "fresh",
            Reason.TOO_OLD,
            "its kubelet has been restarted since and holds another key",
            seen=seen,
            allowed="made since the kubelet's start",
        )
    if age > limit:
        return refuses(
            "fresh",
            Reason.TOO_OLD,
            "its kubelet has stopped waiting for it, or is about to",
            seen=seen,
            allowed=allowed,
        )
    return passes("fresh", seen, allowed)
