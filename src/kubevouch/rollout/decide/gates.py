"""The gates: what an observer outside the node must see before the node is done. Pure.

`policy` decides about the CSR, and `diagnose` checks the served certificate. A node needs a new
metrics sample only if the metrics API can get one: an unrelated fault of metrics-server must not
undo a good node.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kubevouch.diagnose.make import wire_text
from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.snapshot import MetricsPath, Served
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.rollout.decide.kubelet_watch import plain_line
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_certificates


class ProofGate(StrEnum):
    """The gates that a node must pass, in this order."""

    ANSWERS = "API server answers"
    PROCESS = "new kubelet process"
    STAYS_UP = "kubelet stays up"
    """A script on the node checks this gate while the run waits for the other gates."""

    CSR = "the kubelet's CSR"
    APPROVED = "approval by the policy"
    ISSUED = "certificate issued"
    NAMES = "names match the plan"
    SERVED = "served on the wire"
    API_PATH = "API server reaches kubelet"
    READY = "Node Ready"
    METRICS = "fresh metrics"


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate's result: passed, waiting, or hopeless. text: what was seen, or what the gate waits for."""

    gate: ProofGate
    passed: bool
    text: str
    hopeless: bool = False
    """Whether the gate can never pass, so the run does not wait for it."""


@dataclass(frozen=True)
class GateEvidence:
    """One observation of a node during its change.

    new_process: whether the kubelet has restarted; None if the run does not restart it. csr: the
    kubelet's CSR since the change; if several pass the policy, the one whose certificate the
    kubelet serves, or else the last. held: why the policy holds the CSR, or why there is no CSR.
    approved_here: names of the CSRs that this run approved, or that others approved and our policy
    passes. metrics_before: the time of the newest sample when we first saw the new certificate
    served.
    """

    plan: NodePlan
    new_process: bool | None
    csr: CertificateSigningRequest | None
    held: str
    approved_here: frozenset[str]
    served: tuple[Served, ...]
    api_path: str | None
    """The error of a request to the kubelet through the API server; None if the request succeeded or is forbidden."""

    ready: str | None
    metrics_not_asked: str
    """Why the node needs no new metrics sample; empty if it needs one."""

    metrics_before: datetime | None
    metrics_now: datetime | None


def issued_certificate(csr: CertificateSigningRequest | None) -> Certificate | None:
    """The certificate in a CSR's status; None if missing or unreadable."""
    if csr is None or not csr.status.certificate:
        return None
    try:
        return read_certificates(csr.status.certificate, csr.name)[0]
    except X509Error:
        return None


def refused_by(csr: CertificateSigningRequest) -> str:
    """Why the CSR was denied or failed; empty if neither.

    After a denial or a failure, the kubelet creates another CSR.
    """
    for bad in ("Denied", "Failed"):
        if condition := csr.condition(bad):
            return f"{csr.name} is {bad}: {condition.reason} {condition.message}"
    return ""


_Judged = tuple[Outcome, str]
"""A gate's outcome, and what was seen or is missing.

PASS: the gate has passed. CANNOT_TELL: it may pass later. REFUSE: it can never pass.
"""


def gate_results(evidence: GateEvidence) -> tuple[GateResult, ...]:
    """The results of the gates, up to the first gate that has not passed."""
    found: list[GateResult] = []
    for gate, judge in _JUDGES.items():
        outcome, text = judge(evidence)
        passed = outcome is Outcome.PASS
        found.append(GateResult(gate, passed, text, hopeless=outcome is Outcome.REFUSE))
        if not passed:
            break
    return tuple(found)


def _process(evidence: GateEvidence) -> _Judged:
    if evidence.new_process is False:
        return Outcome.CANNOT_TELL, "the kubelet has not restarted"
    return Outcome.PASS, "nothing was restarted" if evidence.new_process is None else "restarted"


def _own_csr(evidence: GateEvidence) -> _Judged:
    if evidence.csr is None:
        return Outcome.CANNOT_TELL, evidence.held
    return Outcome.PASS, evidence.csr.name


def _approved(evidence: GateEvidence) -> _Judged:
    assert evidence.csr is not None
    name, approved = evidence.csr.name, evidence.csr.condition("Approved") is not None
    if refused := refused_by(evidence.csr):
        return Outcome.CANNOT_TELL, refused
    if evidence.held:  # an approval cannot be taken back
        held = Outcome.REFUSE if approved else Outcome.CANNOT_TELL
        return held, f"{name} is held: {evidence.held}"
    if not approved or name not in evidence.approved_here:
        return Outcome.CANNOT_TELL, f"{name} is not decided yet"
    return Outcome.PASS, name


def _issued(evidence: GateEvidence) -> _Judged:
    if issued_certificate(evidence.csr) is None:
        return Outcome.CANNOT_TELL, "not signed yet"
    return Outcome.PASS, "signed"


def _names(evidence: GateEvidence) -> _Judged:
    certificate = issued_certificate(evidence.csr)
    assert certificate is not None
    planned = {entry.value for entry in (*evidence.plan.names, *evidence.plan.addresses)}
    signed = {*certificate.dns_names, *map(str, certificate.ip_addresses)}
    named = ", ".join(sorted(signed))
    if node_name_of(certificate) != evidence.plan.node or signed != planned:
        return Outcome.REFUSE, f"the signed certificate is for {named} ({certificate.subject})"
    return Outcome.PASS, named


def _served(evidence: GateEvidence) -> _Judged:
    """Passes if every address serves the issued certificate, and metrics-server would trust it."""
    certificate = issued_certificate(evidence.csr)
    for served in evidence.served:
        where = str(served.dialled.target)
        if code := code_of(served):
            return Outcome.CANNOT_TELL, f"{where}: {code} {wire_text(served)}"
        if served.dialled.leaf != certificate:
            return Outcome.CANNOT_TELL, f"{where} still serves another certificate"
    if not evidence.served:
        return Outcome.CANNOT_TELL, "not dialled yet"
    return Outcome.PASS, ", ".join(str(served.dialled.target) for served in evidence.served)


def _api_path(evidence: GateEvidence) -> _Judged:
    if evidence.api_path is not None:
        return Outcome.CANNOT_TELL, evidence.api_path
    return Outcome.PASS, "/healthz answered, or is forbidden"


def _ready(evidence: GateEvidence) -> _Judged:
    if evidence.ready is not None:
        return Outcome.CANNOT_TELL, evidence.ready
    return Outcome.PASS, "Ready"


def _metrics(evidence: GateEvidence) -> _Judged:
    if evidence.metrics_not_asked:
        return Outcome.PASS, f"no new sample required, since {evidence.metrics_not_asked}"
    now, before = evidence.metrics_now, evidence.metrics_before
    if now is None or (before is not None and now <= before):
        return Outcome.CANNOT_TELL, "no newer sample in the metrics API yet"
    return Outcome.PASS, f"sample of {now:%H:%M:%S}"


_JUDGES: Mapping[ProofGate, Callable[[GateEvidence], _Judged]] = {
    ProofGate.PROCESS: _process,
    ProofGate.CSR: _own_csr,
    ProofGate.APPROVED: _approved,
    ProofGate.ISSUED: _issued,
    ProofGate.NAMES: _names,
    ProofGate.SERVED: _served,
    ProofGate.API_PATH: _api_path,
    ProofGate.READY: _ready,
    ProofGate.METRICS: _metrics,
}


_NOBODY = "no metrics server runs, or it is unavailable until it has scraped several nodes"
_OF_CERTIFICATES = ("x509", "tls", "certificate")


@dataclass(frozen=True)
class ExpectedMetrics:
    """Which nodes need no new sample in the metrics API, and why.

    nobody: why no node needs one; empty if nodes need one. broken: a fault of metrics-server that a
    certificate does not fix. ill: faults of that kind that concern one node, by node. measured: the
    nodes that had a sample before the run; these need a new one in spite of such faults.
    """

    nobody: str = ""
    broken: str = ""
    ill: Mapping[str, str] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()

    def why_not(self, node: str) -> str:
        """Why this node need not show a new sample; empty if it must."""
        if self.nobody:
            return self.nobody
        why = self.broken or self.ill.get(node, "")
        return (
            f"{why}, and the node had no sample before" if why and node not in self.measured else ""
        )


def expected_metrics(metrics: MetricsPath) -> ExpectedMetrics:
    """Which samples the metrics API can have once the nodes' certificates are good."""
    if not _are_to_come(metrics):
        return ExpectedMetrics(nobody=_NOBODY)
    measured = metrics.measured_nodes or frozenset()
    denials = metrics.denials.or_else(())
    broken = ""
    if denials:
        broken = (
            f"the metrics server lacks a permission ({denials[0].user} may not {denials[0].what})"
        )
    ill = {
        each.node: f"metrics-server reports for this node: {plain_line(each.text)}"
        for each in metrics.failures.or_else(())
        if not any(word in each.text.lower() for word in _OF_CERTIFICATES)
    }
    return ExpectedMetrics(broken=broken, ill=ill, measured=measured)


def _are_to_come(metrics: MetricsPath) -> bool:
    """Whether the metrics API will show one healthy node even without samples of other nodes."""
    if metrics.api_service.value is None or metrics.waits_for_several_nodes:
        return False
    available = metrics.available
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    return running or (available is not None and available.true)
