"""What `doctor` and `verify` say of a section without findings: that it is well, that it is not known, or what waits."""

from datetime import datetime

from kubevouch.cli.common.terminal import Colour
from kubevouch.diagnose.catalogue import Section, Severity
from kubevouch.diagnose.make import counted, days
from kubevouch.diagnose.rules.metrics_api import static_pods
from kubevouch.diagnose.rules.wire import is_ours, is_silent
from kubevouch.evidence.snapshot import Evidence


def nothing_found(verb: str, section: Section, evidence: Evidence) -> tuple[str, Colour, str]:
    """The word at the beginning of its line, the word's colour, and the line."""
    made = _pending(evidence)
    is_well, text = _seen(section, evidence, len(made))
    if section is Section.CSRS and made:
        # verify's rules do not ask why, and doctor's not before some time: neither says that this is well.
        oldest = "the oldest " if len(made) > 1 else ""
        ago = f", {oldest}made {days(min(made), evidence.at)} ago"
        why = "; why is for doctor to say" if verb == "verify" else ago
        return str(Severity.INFO), Colour.QUIET, text + why
    return ("ok", Colour.GOOD, text) if is_well else ("unknown", Colour.WARNING, text)


def _pending(evidence: Evidence) -> list[datetime]:
    """When each CSR was made that nobody has decided about."""
    csrs = (each for each in evidence.csrs.or_else(()) if not each.status.conditions)
    return [each.metadata.creation_timestamp or evidence.at for each in csrs]


def _seen(section: Section, evidence: Evidence, undecided: int) -> tuple[bool, str]:
    """The line of a section without findings, and whether all is well there, or only not known."""
    served, nodes = evidence.served, len(evidence.nodes.or_else(()))
    answering = sum(not is_silent(each) and not is_ours(each) for each in served)
    trusted = sum(bool(each.verdict and each.verdict.trusted) for each in served)
    one, several = "CSR for a serving certificate", "CSRs for serving certificates"
    pending = counted(undecided, one, several)
    measured = evidence.metrics.measured_nodes
    metrics = f"{len(measured or ())} nodes in the metrics API"
    if evidence.metrics.static_pods:
        metrics += f"; metrics-server is seen as {static_pods(evidence.metrics)}"
    summaries = {
        Section.METRICS_API: (bool(measured), metrics),
        Section.REACHING_KUBELETS: (0 < answering == nodes, f"{answering} of {nodes} answer on their port (dialled from here)"),
        Section.CERTIFICATES: (0 < trusted == nodes, f"{trusted} of {nodes} serve a certificate that metrics-server trusts"),
        Section.CSRS: (evidence.csrs.is_known, f"{pending} pending"),
    }  # fmt: skip
    seen = {
        Section.METRICS_API: measured,
        Section.REACHING_KUBELETS: nodes,
        Section.CERTIFICATES: nodes and evidence.trust.value,
        Section.CSRS: evidence.csrs.is_known,
    }
    return summaries[section] if seen[section] else (False, "could not be looked at")
