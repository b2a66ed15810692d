"""Explains why a node or a pod has no metrics, in one line, from doctor's findings about the node.

Does no I/O.
"""

from datetime import datetime
from typing import Final

import msgspec

from kubevouch.diagnose.catalogue import Code, Section
from kubevouch.diagnose.doctor import Diagnosis
from kubevouch.diagnose.make import Finding
from kubevouch.evidence.measured import Vantage
from kubevouch.evidence.snapshot import Evidence, MetricsPath, Served
from kubevouch.kube.resources import METRICS_API_SERVICES, METRICS_VERSIONS, Node, Pod
from kubevouch.tls import FailureKind
from kubevouch.x509 import duration_text

# These findings only repeat that metrics are missing, or concern the future.
_NO_REASON = {
    Code.PARTIAL_METRICS,
    Code.STALE_METRICS,
    Code.INSECURE_TLS_WORKAROUND,
    Code.INSECURE_FLAG_WITHOUT_EFFECT,
    Code.CSR_NEVER_MADE,
    Code.ROTATION_OVERDUE,
    Code.ROTATION_WILL_STALL,
}
# From the kubelet's port outwards: the nearer to the node, the more specific. The control plane's
# section is about the API server's own access to a kubelet.
_FIRST = (
    Section.CERTIFICATES,
    Section.REACHING_KUBELETS,
    Section.METRICS_API,
    Section.CSRS,
    Section.CONFIGURATION,
)
# A fault of the metrics API itself explains every node.
_OF_ALL_NODES = {
    Code.METRICS_API_MISSING,
    Code.API_SERVICE_WIRING,
    Code.NO_READY_METRICS_SERVER,
    Code.API_SERVICE_UNREACHABLE,
    Code.API_SERVICE_NOT_TRUSTED,
    Code.METRICS_SERVER_POD_BROKEN,
}

_SILENT = {FailureKind.CONNECT_TIMEOUT, FailureKind.HANDSHAKE_TIMEOUT}


class UnknownReason(msgspec.Struct, frozen=True):
    """Why usage is missing. code: the finding's code; "" if no finding explains it. known: False if no cause was found."""

    code: str
    text: str
    vantage: str
    known: bool = True


def why_unknown(node: Node, evidence: Evidence, diagnosis: Diagnosis) -> UnknownReason:
    """Why the metrics API has no usage of this node."""
    findings = sorted(
        (each for each in diagnosis.findings if _explains(each, node.name, evidence)),
        key=lambda each: (
            node.name not in each.subjects,
            _FIRST.index(each.code.section),
            # A symptom is less useful than its cause.
            bool(each.because_of) and node.name not in each.subjects,
            each.severity.rank,
        ),
    )
    if findings and node.name in findings[0].subjects:
        return _of(findings[0], evidence.served_by(node.name), node.name)
    if not node.ready:
        return UnknownReason("", "the node is not Ready", str(Vantage.API_SERVER))
    logged = next(
        (each for each in evidence.metrics.failures.or_else(()) if each.node == node.name), None
    )
    if logged is not None:
        return UnknownReason("", logged.text, str(Vantage.SCRAPER_LOG))
    if findings:
        return _of(findings[0], None, node.name)
    created = node.metadata.creation_timestamp
    if _is_young(created, evidence.at):
        return UnknownReason("", f"a new node: {_TWO}", str(Vantage.API_SERVER))
    doubt = next((each.title for each in diagnosis.findings if each.code.is_doubt), "")
    log = "metrics-server's log shows no failure"
    if not evidence.metrics.pods.value:
        log = "no metrics-server log was read"
    text = doubt or f"this machine reaches the kubelet, and {log}"
    return UnknownReason("", f"could not tell ({text})", str(Vantage.DIALLED), known=False)


def why_without_sample(pod: Pod, now: datetime) -> UnknownReason:
    """Why a running pod has no metrics although its node has. metrics-server needs two samples of each container."""
    vantage = str(Vantage.API_SERVER)
    for each in pod.status.container_statuses:
        if each.state.waiting is not None:
            text = f"container {each.name} is not running: {each.state.waiting.reason or 'waiting'}"
            return UnknownReason("", text, vantage)
    started = [
        (each.state.running.started_at, each.name)
        for each in pod.status.container_statuses
        if each.state.running is not None and each.state.running.started_at is not None
    ]
    if started:
        newest, name = max(started)
        if (now - newest).total_seconds() < _YOUNG:
            age = duration_text(now - newest)
            return UnknownReason("", f"container {name} has run for {age}: {_TWO}", vantage)
    elif _is_young(pod.metadata.creation_timestamp, now):
        return UnknownReason("", f"a new pod: {_TWO}", vantage)
    return UnknownReason("", _NO_SAMPLE, vantage, known=False)


def _is_young(made: datetime | None, now: datetime) -> bool:
    return made is not None and (now - made).total_seconds() < _YOUNG


_YOUNG: Final = 120.0
_TWO: Final = "usage needs two scrapes"
_NO_SAMPLE: Final = (
    "could not tell (its node has metrics; metrics-server omits a pod if any container reports "
    "no CPU or no memory)"
)


def _explains(finding: Finding, node: str, evidence: Evidence) -> bool:
    if finding.code.section not in _FIRST or finding.code in _NO_REASON:
        return False
    # A finding about other subjects explains this node only if the metrics API itself is at fault.
    return node in finding.subjects or (
        finding.code in _OF_ALL_NODES and _is_about_what_was_read(finding, evidence.metrics)
    )


def _is_about_what_was_read(finding: Finding, metrics: MetricsPath) -> bool:
    """Whether the finding is about the API version that `top` shows (the first to answer)."""
    versions = sorted(metrics.versions, key=lambda path: METRICS_VERSIONS.index(path.version))
    read = next((each for each in versions if each.node_metrics.value is not None), None)
    about = {each.subject for each in finding.proofs}.intersection(METRICS_API_SERVICES.values())
    return read is None or not about or read.api_service_name in about


def _of(finding: Finding, served: Served | None, node: str) -> UnknownReason:
    proof = next((each for each in finding.proofs if each.subject == node), None)
    if proof is None or not proof.seen:
        return UnknownReason(finding.code, finding.title, str(Vantage.API_SERVER))
    waited = _waited(served) if proof.vantage == Vantage.DIALLED else ""
    return UnknownReason(finding.code, waited + proof.seen, proof.vantage)


def _waited(served: Served | None) -> str:
    """A prefix for the reason: how long we waited for a silent kubelet; "" for other failures."""
    failure = served.dialled.failure if served is not None else None
    if served is None or failure is None or failure.kind not in _SILENT:
        return ""
    seconds = served.dialled.elapsed
    return f"has not answered within {seconds:.0f} s: " if seconds >= 1 else ""
