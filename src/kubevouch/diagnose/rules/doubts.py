"""KV9xx: what could not be told. Never a finding about the cluster, and never silence."""

from collections.abc import Iterator
from typing import Any

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, finding, named, wire_proof
from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import Evidence
from kubevouch.tls.failure import FailureKind


def _doubts(evidence: Evidence) -> Iterator[Doubt]:
    measured: tuple[Measured[Any], ...] = (
        evidence.cluster.uid,
        evidence.cluster.version,
        evidence.trust,
        evidence.nodes,
        evidence.requests,
        evidence.kubelet_config,
        evidence.metrics.api_service,
        evidence.metrics.service,
        evidence.metrics.deployment,
        evidence.metrics.pods,
        evidence.metrics.failures,
        evidence.approvers,
        evidence.api_server_flags,
    )
    seen = set()
    for each in measured:
        if each.doubt is not None and each.doubt not in seen:
            seen.add(each.doubt)
            yield each.doubt


def not_allowed(evidence: Evidence) -> Iterator[Finding]:
    """KV901: one finding, with every verb that is lacking."""
    lacking = [d for d in _doubts(evidence) if d.kind is DoubtKind.NOT_ALLOWED]
    if lacking:
        asked = sorted({f"{doubt.verb} {doubt.resource}" for doubt in lacking})
        yield finding("KV901", f"not allowed to {named(asked)}", subjects=asked)


def not_dialled(evidence: Evidence) -> Iterator[Finding]:
    """KV902: nothing was reached from here, or this machine could not even try; metrics-server's log may tell more."""
    silent = [s for s in evidence.served if code_of(s) == "KV201"]
    ours = [
        s
        for s in evidence.served
        if s.dialled.failure is not None and s.dialled.failure.kind is FailureKind.OUR_SIDE
    ]
    all_silent = bool(silent) and len(silent) == len(evidence.served)
    told = {failure.node for failure in evidence.metrics.failures.or_else(())}
    unknown = ours + [s for s in silent if all_silent and s.node not in told]
    if unknown:
        title = f"{counted(len(unknown), 'kubelet')} could not be dialled from here"
        yield finding(
            "KV902", title, subjects=[s.node for s in unknown], proofs=map(wire_proof, unknown)
        )


def inconclusive(evidence: Evidence) -> Iterator[Finding]:
    """KV903: whatever else could not be read."""
    for doubt in _doubts(evidence):
        # A log that cannot be fetched is what a dark kubelet looks like; the wire tells that better.
        if doubt.kind is DoubtKind.FAILED and doubt is not evidence.metrics.failures.doubt:
            yield finding("KV903", doubt.text)
    if evidence.nodes.is_known and not evidence.nodes.value:
        yield finding("KV903", "the API server knows no node")
