"""Why a node has no numbers: what doctor's rules found about it, in one line. Nothing is asked here."""

import msgspec

from kubevouch.diagnose.catalogue import Code, Section
from kubevouch.diagnose.doctor import Diagnosis
from kubevouch.diagnose.finding import Finding
from kubevouch.evidence.measured import Vantage
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import Node

# What only says again that the numbers are missing, or is about the future.
_NO_REASON = {
    Code.PARTIAL_METRICS,
    Code.STALE_METRICS,
    Code.INSECURE_TLS_WORKAROUND,
    Code.CSR_NEVER_MADE,
    Code.ROTATION_OVERDUE,
}
# From the kubelet's port outwards: the nearer to the node, the more it tells. The control plane's section is about the
# API server's own ways to a kubelet.
_FIRST = (
    Section.CERTIFICATES,
    Section.REACHING_KUBELETS,
    Section.METRICS_API,
    Section.CSRS,
    Section.CONFIGURATION,
)
# What is wrong with the metrics API itself explains every node.
_OF_ALL_NODES = {
    Code.METRICS_API_MISSING,
    Code.API_SERVICE_WIRING,
    Code.NO_READY_METRICS_SERVER,
    Code.API_SERVICE_UNREACHABLE,
    Code.METRICS_SERVER_POD_BROKEN,
}


class UnknownReason(msgspec.Struct, frozen=True):
    """The reason. code: of the finding, "" if none stands behind it. known: False where it could not be told."""

    code: str
    text: str
    vantage: str
    known: bool = True


def why_unknown(node: Node, evidence: Evidence, diagnosis: Diagnosis) -> UnknownReason:
    """Why the metrics API has no usage of this node."""
    findings = sorted(
        (each for each in diagnosis.findings if _explains(each, node.name)),
        key=lambda each: (
            node.name not in each.subjects,
            _FIRST.index(each.code.section),
            # What only comes of something else tells less than that.
            bool(each.because_of) and node.name not in each.subjects,
            each.severity.rank,
        ),
    )
    if findings and node.name in findings[0].subjects:
        return _of(findings[0], node.name)
    if not node.ready:
        return UnknownReason("", "the node is not Ready", str(Vantage.API_SERVER))
    logged = next(
        (each for each in evidence.metrics.failures.or_else(()) if each.node == node.name), None
    )
    if logged is not None:
        return UnknownReason("", logged.text, str(Vantage.SCRAPER_LOG))
    if findings:
        return _of(findings[0], node.name)
    created = node.metadata.creation_timestamp
    if created is not None and (evidence.at - created).total_seconds() < _YOUNG:
        return UnknownReason("", "a new node: two scrapes are needed", str(Vantage.API_SERVER))
    doubt = next((each.title for each in diagnosis.findings if each.code.is_doubt), "")
    text = doubt or "its port answers well from here, and metrics-server's log shows no failure"
    return UnknownReason("", f"could not tell ({text})", str(Vantage.DIALLED), known=False)


_YOUNG = 120.0


def _explains(finding: Finding, node: str) -> bool:
    if finding.code.section not in _FIRST or finding.code in _NO_REASON:
        return False
    # Without this node among its subjects only what is wrong with the metrics API itself tells something of it.
    return node in finding.subjects or finding.code in _OF_ALL_NODES


def _of(finding: Finding, node: str) -> UnknownReason:
    proof = next((each for each in finding.proofs if each.subject == node), None)
    if proof is None or not proof.seen:
        return UnknownReason(finding.code, finding.title, str(Vantage.API_SERVER))
    return UnknownReason(finding.code, proof.seen, proof.vantage)
