"""KV411 and KV414: who will approve the CSRs that kubelets make next."""

from collections.abc import Iterator

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.approving import (
    no_approver_is_seen,
    running_approvers,
    unseen_approver,
)
from kubevouch.evidence.approvers import OUR_APPROVER
from kubevouch.evidence.snapshot import Evidence
from kubevouch.x509 import CertificateKind, classify

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
