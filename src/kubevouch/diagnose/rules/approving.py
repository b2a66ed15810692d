"""KV411 and KV414: who approves CSRs for serving certificates here, as far as can be seen; and why our approver, if it is there, does not."""

from collections.abc import Iterator

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.approvers import OUR_APPROVER, LastApproval, last_approval
from kubevouch.evidence.our_approver import OurApprover
from kubevouch.evidence.snapshot import Approver, Evidence
from kubevouch.policy.sources.configuration import why_unreadable
from kubevouch.x509 import CertificateKind, classify


def running_approvers(evidence: Evidence) -> tuple[Approver, ...]:
    """All that approve CSRs for serving certificates and are seen to run, ours last."""
    idle = _ours_is_idle(evidence)
    return tuple(
        each
        for each in evidence.approvers.or_else(())
        if each.running and not (idle and each.name == OUR_APPROVER)
    )


def unseen_approver(evidence: Evidence) -> LastApproval | None:
    """What an approver approved last that is not seen to run: it may be outside of this cluster, or it is gone."""
    if running_approvers(evidence):
        return None
    # What ours approved that decides nothing, or that has neither a Deployment nor a Lease, it approved before that.
    ours = evidence.our_approver
    is_absent = ours.is_known and ours.value is None
    but = {OUR_APPROVER} if is_absent or _ours_is_idle(evidence) else set()
    return last_approval(evidence.csrs.or_else(()), but=but)


def _ours_is_idle(evidence: Evidence) -> bool:
    """Whether ours is there and approves nothing."""
    ours = evidence.our_approver.value
    return ours is not None and bool(approves_nothing(ours))


def no_approver_is_seen(evidence: Evidence) -> bool:
    """Whether it is certain that nothing which approves is seen to run. False also if that is not known."""
    known = evidence.approvers.is_known and evidence.our_approver.is_known
    return known and evidence.csrs.is_known and not running_approvers(evidence)


def has_no_approver(evidence: Evidence) -> bool:
    """Whether, besides, no CSR shows that one ran lately."""
    return no_approver_is_seen(evidence) and unseen_approver(evidence) is None


def approves_nothing(ours: OurApprover) -> str:
    """Why our approver approves nothing, after "the approver"; empty if it does, as far as is known."""
    if not ours.decides:
        return f"is installed and decides nothing: {ours.why_not}"
    if unread := why_unreadable(ours.configuration):
        return f"runs and approves nothing: its configuration cannot be read: {unread.seen}"
    return ""


_EARLIEST_ROTATION = 0.7
"""Kubelets ask again at 70 to 90 % of a certificate's life (client-go certificate_manager.go, nextRotationDeadline)."""


@rule(Code.ROTATION_WILL_STALL)
def rotation_will_stall(evidence: Evidence) -> Iterator[Finding]:
    """Bootstrap is on, all is well, and nobody will approve the next certificate."""
    if not no_approver_is_seen(evidence):
        return
    trusted = {
        served.node: leaf
        for served in evidence.served
        if served.verdict
        and served.verdict.trusted
        and (leaf := served.dialled.leaf)
        and classify(leaf) is CertificateKind.KUBELET_SERVING
    }
    if not trusted:
        return
    stalls = min(
        c.not_before + (c.not_after - c.not_before) * _EARLIEST_ROTATION for c in trusted.values()
    )
    dark = min(c.not_after for c in trusted.values())
    stall = f"rotation stalls from {stalls:%Y-%m-%d}, ports go dark from {dark:%Y-%m-%d}"
    ours = evidence.our_approver.value
    if unseen := unseen_approver(evidence):
        title = f"no approver is seen to run: {unseen.told(evidence.at)}. If it does not, {stall}"
    elif ours and ours.decides:
        title = f"the approver approves nothing: {stall}"
    else:
        title = f"no approver runs: {stall}"
    yield finding(Code.ROTATION_WILL_STALL, title, subjects=sorted(trusted))


@rule(Code.OTHERS_APPROVE_BESIDE_OURS)
def others_beside_ours(evidence: Evidence) -> Iterator[Finding]:
    """What another approver approves, ours cannot hold."""
    names = [each.name for each in running_approvers(evidence)]
    others = [each for each in names if each != OUR_APPROVER]
    if others and OUR_APPROVER in names:
        verb = "decides" if len(others) == 1 else "decide"
        title = f"{named(others)} {verb} CSRs beside our approver, which cannot hold what another one approves"
        yield finding(Code.OTHERS_APPROVE_BESIDE_OURS, title, subjects=others)
