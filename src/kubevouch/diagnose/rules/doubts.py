"""KV9xx: facts that could not be read. They are reported, but are not faults of the cluster."""

from collections.abc import Iterator
from dataclasses import fields

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Finding, counted, finding, named, wire_proof
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.metrics_api import distrust, each_version
from kubevouch.diagnose.rules.wire import (
    awaits_its_endpoint,
    is_our_side,
    only_starting,
    port_states,
    surely_unreachable,
    without_metrics,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.run_holder import LEASE
from kubevouch.evidence.snapshot import Evidence


def _doubts(evidence: Evidence) -> Iterator[Doubt]:
    """Yields a Doubt for each fact that could not be determined, without duplicates.

    Leaves out metrics-server's log, which cannot be read if the kubelet of metrics-server's node
    has no serving certificate.
    """
    measured = [
        getattr(facts, field.name)
        for facts in (evidence.cluster, evidence)
        for field in fields(facts)
    ]
    for path in evidence.metrics.versions:
        measured += [path.api_service, path.service, path.deployment, path.pods]
        # An API that is known to be unavailable or untrusted has its own finding.
        if path.measured_nodes is None and not distrust(path):
            measured.append(path.node_metrics)
    found = [each.doubt for each in measured if isinstance(each, Measured) and each.doubt]
    if (ours := evidence.our_approver.value) and ours.configuration_doubt:
        found.append(ours.configuration_doubt)
    found += evidence.names.doubts if evidence.names else ()
    # A kubelet that was not dialled has its own finding.
    not_read = evidence.certificates.not_read if evidence.certificates else ()
    found += [each.doubt for each in not_read if not each.is_ordinary and not each.node]
    yield from dict.fromkeys(found)


@rule(Code.NOT_ALLOWED)
def not_allowed(evidence: Evidence) -> Iterator[Finding]:
    """One finding for all missing permissions."""
    log = evidence.metrics.failures.doubt
    doubts = [*_doubts(evidence), *([log] if log else [])]
    asked = sorted({a for d in doubts if d.kind is DoubtKind.NOT_ALLOWED for a in d.lacking})
    if asked:
        title = f"not allowed to {named(asked, most=len(asked))}"
        holder = evidence.run_holder.doubt
        if holder is not None and holder.kind is DoubtKind.NOT_ALLOWED:
            title += f"; without {LEASE} it is unknown whether a run or an undo is in progress"
        yield finding(Code.NOT_ALLOWED, title, subjects=asked)


@rule(Code.KUBELET_UNREACHABLE, Code.NOT_DIALLED)
def not_dialled(evidence: Evidence) -> Iterator[Finding]:
    """This machine could not dial some kubelets, and metrics-server's log has nothing about them."""
    sure = {port.node for port in surely_unreachable(evidence)}
    logged = {s.node for s in port_states(evidence) if s.proof.vantage == Vantage.SCRAPER_LOG}
    unknown = [
        served
        for port, served in zip(port_states(evidence), evidence.served, strict=True)
        if (port.code == Code.KUBELET_UNREACHABLE or is_our_side(served))
        and served.node not in sure | logged
    ]
    if unknown:
        title = f"{counted(len(unknown), 'kubelet')} could not be dialled from here"
        proofs = [wire_proof(served) for served in unknown]
        yield finding(Code.NOT_DIALLED, title, subjects=[s.node for s in unknown], proofs=proofs)


@rule(Code.TOO_EARLY)
@each_version
def too_early(evidence: Evidence) -> Iterator[Finding]:
    """A node or metrics-server is so new that missing metrics should appear within two minutes."""
    metrics = evidence.metrics
    available = metrics.available
    if available is not None and not available.true:
        if available.reason != "MissingEndpoints":
            return
        if awaits_its_endpoint(evidence):
            yield finding(
                Code.TOO_EARLY,
                "metrics-server has just become ready; its Service has no endpoint yet",
            )
        elif only_starting(evidence):
            yield finding(Code.TOO_EARLY, "metrics-server has just started and is not ready yet")
        return
    young = without_metrics(evidence, new=True)
    if young:
        title = (
            f"no metrics for {counted(len(young), 'node')} yet: metrics-server needs two scrapes"
        )
        yield finding(Code.TOO_EARLY, title, subjects=young)


@rule(Code.RUN_NOT_FINISHED)
def run_not_finished(evidence: Evidence) -> Iterator[Finding]:
    """A run or an undo has not ended, or a dead-man's switch may still be armed."""
    holder = evidence.run_holder.value
    if holder is not None and (
        holder.is_alive or any(each.run == holder.run for each in evidence.armed)
    ):
        state = "is in progress" if holder.is_alive else "was interrupted and has not ended"
        title = f"{'an undo' if holder.undoes else 'a run'} {state}: {holder}"
        yield finding(Code.RUN_NOT_FINISHED, title, details={"run": holder.run})
    for each in evidence.armed:
        title = (
            f"the dead-man's switch of run {each.run} may be armed on {each.node}: it undoes an "
            f"unverified change by {each.due:%H:%M:%S} UTC, unless it is disarmed first"
        )
        yield finding(Code.RUN_NOT_FINISHED, title, subjects=[each.node], details={"run": each.run})


@rule(Code.INCONCLUSIVE)
def inconclusive(evidence: Evidence) -> Iterator[Finding]:
    """Some fact is unknown, and no other finding reports it."""
    for doubt in _doubts(evidence):
        if doubt.kind is DoubtKind.FAILED:
            yield finding(Code.INCONCLUSIVE, doubt.text)
    if evidence.nodes.is_known and not evidence.nodes.value:
        yield finding(Code.INCONCLUSIVE, "the API server lists no nodes")
    dialled = {served.node for served in evidence.served}
    away = [node.name for node in evidence.nodes.or_else(()) if node.name not in dialled]
    if away:
        title = f"{counted(len(away), 'node')} without an address that metrics-server would dial"
        yield finding(Code.INCONCLUSIVE, title, subjects=away)
    for path in evidence.metrics.versions:
        if path.api_service.value is not None and path.available is None:
            title = f"APIService {path.api_service_name} has no condition Available"
            yield finding(Code.INCONCLUSIVE, title)
