"""The gates: what must be seen from outside before a node is done. Pure: evidence about the node in, results out.

The rules are those of the other verbs: the policy decides about the CSR, `diagnose` judges the certificate served.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kubevouch.diagnose.make import wire_text
from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.snapshot import Served
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_certificates


class ProofGate(StrEnum):
    """The gates in the order in which they must pass."""

    ANSWERS = "API server answers"
    PROCESS = "new kubelet process"
    STAYS_UP = "kubelet stays up"
    """Seen on the node while the others are waited for."""

    CSR = "the kubelet's CSR"
    APPROVED = "approval by the policy"
    ISSUED = "certificate issued"
    NAMES = "names are the plan's"
    SERVED = "served on the wire"
    API_PATH = "API server reaches it"
    READY = "Node Ready"
    METRICS = "fresh metrics"


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a gate: it passed, it waits for something, or it can never pass."""

    gate: ProofGate
    passed: bool
    text: str
    hopeless: bool = False
    """Whether it can never pass, so that it is not waited for."""


@dataclass(frozen=True)
class GateEvidence:
    """What was seen of a node at one moment of its change.

    new_process: None where nothing was restarted. csr: the kubelet's own since the change. held: why the policy does not
    pass it; without one, what is there in its place. approved_here: names of the CSRs that this run approved, or found rightly approved. metrics_before: the
    newest sample when the certificate was first seen served.
    """

    plan: NodePlan
    new_process: bool | None
    csr: CertificateSigningRequest | None
    held: str
    approved_here: frozenset[str]
    served: tuple[Served, ...]
    api_path: str | None
    """None if it answered; else the error."""

    ready: str | None
    metrics_not_asked: str
    """Why no fresh sample is asked of it; empty if one is."""

    metrics_before: datetime | None
    metrics_now: datetime | None


def issued_certificate(csr: CertificateSigningRequest | None) -> Certificate | None:
    """The certificate in a CSR's status, if it is there and can be read."""
    if csr is None or not csr.status.certificate:
        return None
    try:
        return read_certificates(csr.status.certificate, csr.name)[0]
    except X509Error:
        return None


def refusal(csr: CertificateSigningRequest) -> str:
    """Who has denied that CSR, or why it has failed; empty if neither. Its kubelet asks again, with another one."""
    for bad in ("Denied", "Failed"):
        if condition := csr.condition(bad):
            return f"{csr.name} is {bad}: {condition.reason} {condition.message}"
    return ""


def gate_results(evidence: GateEvidence) -> tuple[GateResult, ...]:
    """The gates up to the first that is not passed."""
    found: list[GateResult] = []
    for judge in (
        _process,
        _own_csr,
        _approved,
        _issued,
        _names,
        _served,
        _api_path,
        _ready,
        _metrics,
    ):
        result = judge(evidence)
        found.append(result)
        if not result.passed:
            break
    return tuple(found)


def _process(evidence: GateEvidence) -> GateResult:
    text = "nothing was restarted" if evidence.new_process is None else "restarted"
    if evidence.new_process is False:
        return GateResult(
            ProofGate.PROCESS, passed=False, text="the kubelet has not been restarted"
        )
    return GateResult(ProofGate.PROCESS, passed=True, text=text)


def _own_csr(evidence: GateEvidence) -> GateResult:
    if evidence.csr is None:
        return GateResult(ProofGate.CSR, passed=False, text=evidence.held)
    return GateResult(ProofGate.CSR, passed=True, text=evidence.csr.name)


def _approved(evidence: GateEvidence) -> GateResult:
    assert evidence.csr is not None
    name = evidence.csr.name
    if refused := refusal(evidence.csr):
        return GateResult(ProofGate.APPROVED, passed=False, text=refused)
    if evidence.held:
        approved = evidence.csr.condition("Approved") is not None
        text = f"{name} is held: {evidence.held}"
        return GateResult(ProofGate.APPROVED, passed=False, text=text, hopeless=approved)
    if evidence.csr.condition("Approved") is None or name not in evidence.approved_here:
        return GateResult(ProofGate.APPROVED, passed=False, text=f"{name} is not decided yet")
    return GateResult(ProofGate.APPROVED, passed=True, text=name)


def _issued(evidence: GateEvidence) -> GateResult:
    if issued_certificate(evidence.csr) is None:
        return GateResult(ProofGate.ISSUED, passed=False, text="not signed yet")
    return GateResult(ProofGate.ISSUED, passed=True, text="signed")


def _names(evidence: GateEvidence) -> GateResult:
    """The gate about the names in the certificate that was actually signed."""
    certificate = issued_certificate(evidence.csr)
    assert certificate is not None
    planned = {entry.value for entry in (*evidence.plan.names, *evidence.plan.addresses)}
    signed = {*certificate.dns_names, *map(str, certificate.ip_addresses)}
    if node_name_of(certificate) != evidence.plan.node or signed != planned:
        text = f"the signed certificate is for {', '.join(sorted(signed))} ({certificate.subject})"
        return GateResult(ProofGate.NAMES, passed=False, text=text, hopeless=True)
    return GateResult(ProofGate.NAMES, passed=True, text=", ".join(sorted(signed)))


def _served(evidence: GateEvidence) -> GateResult:
    """The gate about the wire: every address serves the issued certificate, and metrics-server would trust it."""
    certificate = issued_certificate(evidence.csr)
    for served in evidence.served:
        where = str(served.dialled.target)
        if code := code_of(served):
            text = f"{where}: {code} {wire_text(served)}"
            return GateResult(ProofGate.SERVED, passed=False, text=text)
        if served.dialled.leaf != certificate:
            text = f"{where} still serves another certificate"
            return GateResult(ProofGate.SERVED, passed=False, text=text)
    if not evidence.served:
        return GateResult(ProofGate.SERVED, passed=False, text="not dialled yet")
    where = ", ".join(str(served.dialled.target) for served in evidence.served)
    return GateResult(ProofGate.SERVED, passed=True, text=where)


def _api_path(evidence: GateEvidence) -> GateResult:
    if evidence.api_path is not None:
        return GateResult(ProofGate.API_PATH, passed=False, text=evidence.api_path)
    return GateResult(ProofGate.API_PATH, passed=True, text="/healthz answers")


def _ready(evidence: GateEvidence) -> GateResult:
    if evidence.ready is not None:
        return GateResult(ProofGate.READY, passed=False, text=evidence.ready)
    return GateResult(ProofGate.READY, passed=True, text="Ready")


def _metrics(evidence: GateEvidence) -> GateResult:
    if evidence.metrics_not_asked:
        text = f"no new sample is waited for, since {evidence.metrics_not_asked}"
        return GateResult(ProofGate.METRICS, passed=True, text=text)
    now, before = evidence.metrics_now, evidence.metrics_before
    if now is None or (before is not None and now <= before):
        return GateResult(
            ProofGate.METRICS, passed=False, text="no newer sample in the metrics API yet"
        )
    return GateResult(ProofGate.METRICS, passed=True, text=f"sample of {now:%H:%M:%S}")
