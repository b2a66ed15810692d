"""KV4xx: serving CSRs and their approvers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from kubevouch.diagnose.catalogue import INSTALL_APPROVER, Code
from kubevouch.diagnose.make import Finding, Proof, api_proof, counted, finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.approving import (
    approves_nothing,
    asking_for_a_run,
    left_over_csrs,
    newest_csrs,
    node_of,
    outside_policy_csrs,
    pending_csrs,
    running_approvers,
    strange_csrs,
    unseen_approver,
    waiting_csrs,
)
from kubevouch.diagnose.rules.wire import is_dark, signed_for
from kubevouch.evidence.approvers import OUR_APPROVER, Approver, OurApprover
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.sources.configuration import (
    CONFIGURATION,
    CONFIGURATION_KEY,
    why_unreadable,
)
from kubevouch.x509 import duration_text

_PATIENCE = timedelta(minutes=2)
_PATIENCE_WITH_OURS = timedelta(seconds=20)
"""How long our approver may leave a CSR pending. It decides in under a second, or retries after 2 s if information was missing."""

_IF_GONE = (
    ". If it no longer runs, `kubevouch plan -o plan.json` plans the approval of the pending CSRs. "
    f"For later CSRs, install our approver: `{INSTALL_APPROVER}`"
)
_KUBECTL, _DEPLOYMENT = "kubectl -n kubevouch-system", "deployment/kubevouch-approver"
_WHERE_TO_LOOK = {
    "look": "get",
    "at": "deployment,pods,events",
    "mend": (
        f"scale the Deployment up if it has 0 replicas: `{_KUBECTL} scale {_DEPLOYMENT} "
        f"--replicas=1`. Otherwise NEXT's output and `{_KUBECTL} logs {_DEPLOYMENT}` show why no pod "
        "runs, or why none is the leader. A new pod waits 15 s for the Lease of a dead leader. Until "
        "then `kubevouch csr approve NAME --against-approver` applies the same policy"
    ),
}
_ISSUE_PATIENCE = timedelta(minutes=1)
_LOOP = 3


def _age(request: CertificateSigningRequest, at: datetime) -> timedelta:
    created = request.metadata.creation_timestamp
    return at - created if created else timedelta()


def _since_issued(evidence: Evidence) -> dict[str, list[CertificateSigningRequest]]:
    """The CSRs that each node has made since its last certificate was issued."""
    found: dict[str, list[CertificateSigningRequest]] = defaultdict(list)
    for request in evidence.csrs.or_else(()):
        if request.status.certificate:
            found[node_of(request)].clear()
        else:
            found[node_of(request)].append(request)
    return found


@rule(Code.PENDING_NO_APPROVER, Code.APPROVER_HOLDS, Code.OUR_APPROVER_HOLDS)
def pending(evidence: Evidence) -> Iterator[Finding]:
    """CSRs are pending because there is no approver, or because the approver does not decide."""
    of_a_run = asking_for_a_run(evidence)
    waiting = {node: csr for node, csr in waiting_csrs(evidence).items() if node not in of_a_run}
    running, unseen = running_approvers(evidence), unseen_approver(evidence)
    if not waiting or not (running or evidence.approvers.is_known):
        return
    if running or unseen:
        yield from _held(waiting, (*running, *filter(None, [unseen])), evidence)
        return
    if evidence.our_approver.value is not None:
        return  # KV409 reports our approver and its pending CSRs
    # Nobody should approve a CSR that no kubelet waits for.
    strange = strange_csrs(evidence)
    waiting = {node: csr for node, csr in waiting.items() if node not in strange}
    if not waiting:
        return
    title = f"{counted(len(waiting), 'CSR')} pending, and nothing on this cluster approves {'it' if len(waiting) == 1 else 'them'}"
    details = {"dark": _dark(evidence), "until": _until(waiting, evidence)}
    yield about_csrs(Code.PENDING_NO_APPROVER, title, waiting, evidence, details)


def _held(
    waiting: Mapping[str, CertificateSigningRequest],
    approvers: Sequence[Approver],
    evidence: Evidence,
) -> Iterator[Finding]:
    """CSRs that a running approver, or one that ran recently, should have decided by now."""
    ours, first = any(each.name == OUR_APPROVER for each in approvers), approvers[0]
    patience = _PATIENCE_WITH_OURS if ours else _PATIENCE
    late = {node: r for node, r in waiting.items() if _age(r, evidence.at) > patience}
    if not late:
        return
    if ours:
        title = f"our approver runs and holds {counted(len(late), 'pending CSR')}"
        yield about_csrs(Code.OUR_APPROVER_HOLDS, title, late, evidence)
        return
    title = f"{counted(len(late), 'CSR')} pending for more than 2 minutes, although "
    title += f"{first.name} approves CSRs" if first.running else first.evidence
    details = {"approver": first.name, "gone": "" if first.running else _IF_GONE}
    yield about_csrs(Code.APPROVER_HOLDS, title, late, evidence, details)


@rule(Code.OUR_APPROVER_DECIDES_NOTHING)
def our_approver(evidence: Evidence) -> Iterator[Finding]:
    """Our approver is installed, but has no leader, or the leader cannot read its configuration."""
    ours = evidence.our_approver.value
    if ours is None or not (why := approves_nothing(ours)):
        return
    waiting = waiting_csrs(evidence)
    title = f"the approver {why}"
    if waiting:
        title += f"; {counted(len(waiting), 'pending CSR')}"
    yield finding(
        Code.OUR_APPROVER_DECIDES_NOTHING,
        title,
        subjects=sorted(waiting),
        proofs=_proofs(waiting, evidence),
        details=_where_to_look(ours),
    )


def _where_to_look(ours: OurApprover) -> Mapping[str, str]:
    """Values for the templates of KV409: parts of the NEXT command, and what to do by hand."""
    unread = why_unreadable(ours.configuration)
    if unread is None or not ours.decides:
        return _WHERE_TO_LOOK
    mend = f"correct {CONFIGURATION_KEY} in that ConfigMap: {unread.expected}"
    return {"look": "edit", "at": f"configmap/{CONFIGURATION}", "mend": mend}


def _dark(evidence: Evidence) -> str:
    """A sentence about kubelets that have no certificate to serve. Empty if every kubelet has one."""
    dark = sorted(served.node for served in evidence.served if is_dark(served))
    if not dark:
        return ""
    have = counted(len(dark), "kubelet has", "kubelets have")
    return f" {have} no serving certificate: {named(dark)}."


def _until(waiting: Iterable[str], evidence: Evidence) -> str:
    """A sentence about when the first of these kubelets' certificates expires. Empty if no certificate is valid."""
    leaves = signed_for(evidence)
    ends = [leaves[node].not_after for node in waiting if node in leaves]
    ends = [each for each in ends if each > evidence.at]
    if not ends:
        return ""
    left = duration_text(min(ends) - evidence.at)
    return f" Kubelets serve their old certificates until {min(ends):%Y-%m-%d} ({left} left); then they have none."


def about_csrs(
    code: Code,
    title: str,
    found: dict[str, CertificateSigningRequest],
    evidence: Evidence,
    details: Mapping[str, str] = MappingProxyType({}),
) -> Finding:
    """A finding about the nodes in `found`, with their CSRs as proofs."""
    proofs = _proofs(found, evidence)
    return finding(
        code,
        title,
        subjects=sorted(found),
        proofs=proofs,
        details={"csr": proofs[0].subject, **details},
    )


def _proofs(found: Mapping[str, CertificateSigningRequest], evidence: Evidence) -> list[Proof]:
    return [
        api_proof(request.name, _state(request, evidence.at), evidence.csrs)
        for _, request in sorted(found.items())
    ]


def _state(request: CertificateSigningRequest, at: datetime) -> str:
    """The node of a CSR, its age, and its last condition."""
    said = f"{node_of(request)}, {duration_text(_age(request, at))} old: "
    for condition in reversed(request.status.conditions):
        text = f"{condition.type}: {condition.reason}: {condition.message}".rstrip(": ")
        return said + text + (", no certificate" if condition.type == "Approved" else "")
    return f"{said}Pending"


@rule(Code.DENIED_LOOP)
def denied(evidence: Evidence) -> Iterator[Finding]:
    """A node's CSRs are denied again and again: after a denial a kubelet makes another CSR every 32 seconds."""
    looping: dict[str, CertificateSigningRequest] = {}
    for node, requests in _since_issued(evidence).items():
        refused = [each for each in requests if each.condition("Denied")]
        if len(refused) >= _LOOP:
            looping[node] = refused[-1]
    if looping:
        who = named(sorted(set(map(_denier, looping.values()))))
        title = f"CSRs of {counted(len(looping), 'node')} are denied again and again by {who}"
        yield about_csrs(Code.DENIED_LOOP, title, looping, evidence, {"approver": who})


def _denier(csr: CertificateSigningRequest) -> str:
    """The field manager that denied the CSR, with the condition's reason.

    Denied can be set only through the approval subresource.
    """
    wrote = {each.manager for each in csr.metadata.managed_fields if each.subresource == "approval"}
    denied = csr.condition("Denied")
    manager = wrote.pop() if len(wrote) == 1 else "an unknown manager"
    return f"{manager} ({denied.reason if denied is not None else ''})"


@rule(Code.APPROVED_NOT_ISSUED)
def not_issued(evidence: Evidence) -> Iterator[Finding]:
    """A CSR was approved over a minute ago and is not signed. The signer needs less than a second."""
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
        title = f"{counted(len(stuck), 'CSR')} approved, but not signed"
        yield about_csrs(Code.APPROVED_NOT_ISSUED, title, stuck, evidence)


@rule(Code.SIGNER_REJECTED)
def rejected(evidence: Evidence) -> Iterator[Finding]:
    """The signer set the condition Failed on a CSR."""
    failed = {
        node: request
        for node, requests in _since_issued(evidence).items()
        for request in requests
        if request.condition("Failed")
    }
    if failed:
        title = f"the signer rejected {counted(len(failed), 'CSR')}"
        yield about_csrs(Code.SIGNER_REJECTED, title, failed, evidence)


@rule(Code.CSR_NEVER_MADE)
def never_made(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet has no serving certificate, and has made no CSR for one."""
    if not evidence.csrs.is_known:
        return
    known = newest_csrs(evidence)
    without = sorted(s.node for s in evidence.served if is_dark(s) and s.node not in known)
    if without:
        title = f"{counted(len(without), 'node')} without a certificate or a CSR: {named(without)}"
        yield finding(Code.CSR_NEVER_MADE, title, subjects=without)


@rule(Code.SUPERSEDED_CSR)
def superseded(evidence: Evidence) -> Iterator[Finding]:
    """A pending CSR is stale: its kubelet has made a newer CSR, or no longer waits for this one."""
    newest = newest_csrs(evidence)
    old = [
        r for found in pending_csrs(evidence).values() for r in found if r is not newest[node_of(r)]
    ]
    over = left_over_csrs(evidence)
    asked = {node: csr for node, csr in strange_csrs(evidence).items() if node not in over}
    refused = outside_policy_csrs(evidence, asked.values())
    strange = [csr for csr in asked.values() if csr.name not in refused]
    for csrs, one, several, then in (
        (old, "pending CSR", "pending CSRs", " superseded by a newer one from the same node"),
        (over.values(), *_LEFT_OVER),
        (strange, *_STRANGE),
    ):
        if csrs:
            title = f"{counted(len(csrs), one, several)}{then}"
            yield finding(Code.SUPERSEDED_CSR, title, subjects=[csr.name for csr in csrs])


_LEFT_OVER = (
    "pending CSR is from a node that serves a self-signed certificate",
    "pending CSRs are from nodes that serve self-signed certificates",
    ", so serverTLSBootstrap is now off",
)
_STRANGE = (
    "pending CSR requests a name or address that its Node does not claim",
    "pending CSRs request names or addresses that their Nodes do not claim",
    ", so no kubelet waits for an answer",
)
