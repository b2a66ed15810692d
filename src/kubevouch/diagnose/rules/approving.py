"""Who approves CSRs for serving certificates here, as far as can be seen; and why our approver, if it is there, does not."""

from kubevouch.evidence.approvers import OUR_APPROVER, lately_approved
from kubevouch.evidence.our_approver import OurApprover
from kubevouch.evidence.snapshot import Approver, Evidence
from kubevouch.policy.sources.configuration import why_unreadable


def running_approver(evidence: Evidence) -> Approver | None:
    """Somebody who approves CSRs for serving certificates here, as far as can be seen."""
    known = evidence.approvers.or_else(())
    ours = evidence.our_approver
    idle = ours.value is not None and bool(approves_nothing(ours.value))
    for approver in known:
        if approver.running and not (idle and approver.name == OUR_APPROVER):
            return approver
    # What one approved whose pods are known not to be ready, it approved before they went; and ours, which has neither a
    # Deployment nor a Lease that somebody holds, before it was taken out.
    gone = {OUR_APPROVER} if idle or (ours.is_known and ours.value is None) else set()
    return lately_approved(evidence.csrs.or_else(()), but={*gone, *(each.name for each in known)})


def has_no_approver(evidence: Evidence) -> bool:
    """Whether it is certain that no approver runs. False also if that is not known."""
    known = evidence.approvers.is_known and evidence.csrs.is_known
    return known and running_approver(evidence) is None


def approves_nothing(ours: OurApprover) -> str:
    """Why our approver approves nothing, after "the approver"; empty if it does, as far as is known."""
    if not ours.decides:
        return f"is installed and decides nothing: {ours.why_not}"
    if unread := why_unreadable(ours.configuration):
        return f"runs and approves nothing: its configuration cannot be read: {unread.seen}"
    return ""
