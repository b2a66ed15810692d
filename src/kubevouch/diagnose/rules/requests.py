"""KV4xx: serving requests, who decides on them, and what happens if nobody does."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import api_proof, counted, days, finding, named
from kubevouch.diagnose.rules.wire import is_dark
from kubevouch.evidence.approvers import lately_approved
from kubevouch.evidence.snapshot import Approver, Evidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.x509 import CertificateKind, classify

_USER = "system:node:"
_PATIENCE = timedelta(minutes=2)
_ISSUE_PATIENCE = timedelta(minutes=1)
_LOOP = 3
EARLIEST_ROTATION = 0.7
"""Kubelets ask again at 70 to 90 % of a certificate's life (client-go certificate_manager.go, nextRotationDeadline)."""


def running_approver(evidence: Evidence) -> Approver | None:
    """Somebody who approves serving requests here, as far as can be seen."""
    for approver in evidence.approvers.or_else(()):
        if approver.running:
            return approver
    return lately_approved(evidence.csrs.or_else(()))


def has_no_approver(evidence: Evidence) -> bool:
    """Looked everywhere, and there is none. False also where that is not known."""
    known = evidence.approvers.is_known and evidence.csrs.is_known
    return known and running_approver(evidence) is None


def _node(request: CertificateSigningRequest) -> str:
    return request.spec.username.removeprefix(_USER)


def _pending(evidence: Evidence) -> dict[str, list[CertificateSigningRequest]]:
    """Undecided requests by requestor, oldest first."""
    found: dict[str, list[CertificateSigningRequest]] = defaultdict(list)
    for request in evidence.csrs.or_else(()):
        if not request.status.conditions:
            found[_node(request)].append(request)
    return found


def _age(request: CertificateSigningRequest, at: datetime) -> timedelta:
    created = request.metadata.creation_timestamp
    return at - created if created else timedelta()


def _newest(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest request of each node, decided or not."""
    return {_node(request): request for request in evidence.csrs.or_else(())}


def _since_issued(evidence: Evidence) -> dict[str, list[CertificateSigningRequest]]:
    """Requests of each node that are younger than the last one that was issued: older trouble is over."""
    found: dict[str, list[CertificateSigningRequest]] = defaultdict(list)
    for request in evidence.csrs.or_else(()):
        if request.status.certificate:
            found[_node(request)].clear()
        else:
            found[_node(request)].append(request)
    return found


def pending(evidence: Evidence) -> Iterator[Finding]:
    """KV401, KV402: requests that wait, with nobody to decide, or with somebody who does not."""
    newest = _newest(evidence)
    waiting = {
        node: found[-1] for node, found in _pending(evidence).items() if newest[node] is found[-1]
    }
    if not waiting or not evidence.approvers.is_known:
        return
    approver = running_approver(evidence)
    if approver is None:
        title = f"{counted(len(waiting), 'serving request')} pending, and nothing on this cluster approves them"
        yield _about("KV401", title, waiting, evidence)
        return
    late = {node: r for node, r in waiting.items() if _age(r, evidence.at) > _PATIENCE}
    if late:
        title = f"{counted(len(late), 'serving request')} pending for more than 2 minutes, although {approver.name} approves"
        yield _about("KV402", title, late, evidence)


def _about(
    code: str, title: str, found: dict[str, CertificateSigningRequest], evidence: Evidence
) -> Finding:
    """A finding about nodes, each with the request that proves it."""
    proofs = [
        api_proof(request.name, _state(request, evidence.at), evidence.csrs)
        for _, request in sorted(found.items())
    ]
    return finding(code, title, subjects=sorted(found), proofs=proofs)


def _state(request: CertificateSigningRequest, at: datetime) -> str:
    """Whose it is, how old, and the last word on it."""
    said = f"{_node(request)}, {days(request.metadata.creation_timestamp or at, at)} old: "
    for condition in reversed(request.status.conditions):
        text = f"{condition.type}: {condition.reason}: {condition.message}".rstrip(": ")
        return said + text + (", no certificate" if condition.type == "Approved" else "")
    return f"{said}Pending"


def denied(evidence: Evidence) -> Iterator[Finding]:
    """KV403."""
    looping: dict[str, CertificateSigningRequest] = {}
    for node, requests in _since_issued(evidence).items():
        refused = [each for each in requests if each.condition("Denied")]
        if len(refused) >= _LOOP:
            looping[node] = refused[-1]
    if looping:
        title = f"serving requests of {counted(len(looping), 'node')} are denied again and again"
        yield _about("KV403", title, looping, evidence)


def not_issued(evidence: Evidence) -> Iterator[Finding]:
    """KV404."""
    stuck = {
        node: request
        for node, requests in _since_issued(evidence).items()
        for request in requests
        if (approved := request.condition("Approved"))
        and not request.condition("Failed")
        and approved.last_update_time
        and evidence.at - approved.last_update_time > _ISSUE_PATIENCE
    }
    if stuck:
        title = f"{counted(len(stuck), 'serving request')} approved and not issued: nobody signs"
        yield _about("KV404", title, stuck, evidence)


def rejected(evidence: Evidence) -> Iterator[Finding]:
    """KV405."""
    failed = {
        node: request
        for node, requests in _since_issued(evidence).items()
        for request in requests
        if request.condition("Failed")
    }
    if failed:
        title = f"the signer rejected {counted(len(failed), 'serving request')}"
        yield _about("KV405", title, failed, evidence)


def never_made(evidence: Evidence) -> Iterator[Finding]:
    """KV406: dark, and no request of it is there."""
    if not evidence.csrs.is_known:
        return
    known = _newest(evidence)
    without = sorted(s.node for s in evidence.served if is_dark(s) and s.node not in known)
    if without:
        title = f"{counted(len(without), 'node')} without a certificate and without a request: {named(without)}"
        yield finding("KV406", title, subjects=without)


def superseded(evidence: Evidence) -> Iterator[Finding]:
    """KV407."""
    newest = _newest(evidence)
    old = [r for found in _pending(evidence).values() for r in found if r is not newest[_node(r)]]
    if old:
        title = f"{counted(len(old), 'pending request')} superseded by a newer one of the same node"
        yield finding("KV407", title, subjects=[request.name for request in old])


def fuse(evidence: Evidence) -> Iterator[Finding]:
    """KV411: bootstrap is on, all is well, and nobody will approve the next certificate."""
    if not has_no_approver(evidence):
        return
    burning = {
        served.node: leaf
        for served in evidence.served
        if served.verdict
        and served.verdict.trusted
        and (leaf := served.dialled.leaf)
        and classify(leaf) is CertificateKind.KUBELET_SERVING
    }
    if not burning:
        return
    stalls = min(
        c.not_before + (c.not_after - c.not_before) * EARLIEST_ROTATION for c in burning.values()
    )
    dark = min(c.not_after for c in burning.values())
    yield finding(
        "KV411",
        f"no approver runs: rotation stalls from {stalls:%Y-%m-%d}, ports go dark from {dark:%Y-%m-%d}",
        subjects=sorted(burning),
    )
