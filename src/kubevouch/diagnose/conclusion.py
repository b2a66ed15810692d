"""What `doctor` and `verify` say in the end, and of a section without findings: how it stands, and what to do next."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubevouch.diagnose.catalogue import Code, Section, Severity
from kubevouch.diagnose.doctor import Cause, Diagnosis
from kubevouch.diagnose.make import counted, days
from kubevouch.diagnose.rules.metrics_api import static_pods
from kubevouch.diagnose.rules.wire import is_our_side, is_silent
from kubevouch.errors import ExitCode
from kubevouch.evidence.snapshot import Evidence

THEN: Final = "THEN"
_MAY_HIDE: Final = "what is listed under could-not-tell may hide anything"
_ALL_VERIFIES: Final = (
    "the metrics API has fresh numbers of every node, and every kubelet's certificate verifies"
)


@dataclass(frozen=True)
class Conclusion:
    """A word with its sentence, and the lines under it."""

    word: str
    text: str
    lines: tuple[tuple[str, str], ...] = ()
    """FIRST, NEXT and WHY, each with its command line, and THEN with what only a person can do."""


def conclusions_of(
    verb: str, diagnosis: Diagnosis, code: ExitCode, fail_on: Severity
) -> list[Conclusion]:
    """CAUSE where something has failed, for each cause; else OK or UNKNOWN, and beside it what would be the CAUSE if it had: a warning, as a rule."""
    found = []
    if code is not ExitCode.FINDINGS:
        is_unknown = code is ExitCode.COULD_NOT_TELL
        found = [_unknown(diagnosis, fail_on) if is_unknown else _ok(verb, diagnosis, fail_on)]
    for cause in diagnosis.causes:
        word = "CAUSE"
        if code is not ExitCode.FINDINGS:
            severity = next(each.severity for each in diagnosis.findings if each.code is cause.code)
            word = str(severity).upper()
        said = [text for each in found for _, text in each.lines]
        found.append(_caused(verb, diagnosis, cause, word, said))
    return found


def _ok(verb: str, diagnosis: Diagnosis, fail_on: Severity) -> Conclusion:
    """That nothing has failed."""
    is_bad = any(each.severity.at_least(Severity.ERROR) for each in diagnosis.findings)
    plain = verb != "verify" or is_bad
    text = f"nothing of severity {fail_on} or worse" if plain else _ALL_VERIFIES
    return Conclusion("OK", text)


def _unknown(diagnosis: Diagnosis, fail_on: Severity) -> Conclusion:
    """That something could not be told, and what helps first."""
    doubt = diagnosis.first_doubt
    assert doubt is not None
    beside = (
        "nothing else" if diagnosis.cause is None else f"nothing of severity {fail_on} or worse"
    )
    text = f"{_MAY_HIDE}; {beside} was found"
    return Conclusion("UNKNOWN", text, _lines((), doubt.next, doubt.by_hand))


def _caused(
    verb: str,
    diagnosis: Diagnosis,
    cause: Cause,
    word: str,
    said: Sequence[str],
) -> Conclusion:
    """A cause after its word. said: commands that are named before it."""
    unfinished = (each for each in diagnosis.findings if each.code is Code.RUN_NOT_FINISHED)
    firsts = dict.fromkeys(shlex.join(each.next) for each in unfinished)
    first = [each for each in firsts if each not in said]
    # verify looks at a part only: what is behind it is doctor's to say.
    words, by_hand = cause.next, cause.by_hand
    if verb == "verify":
        words, by_hand = ("kubevouch", "doctor"), ""
    lines = _lines(first, words, by_hand)
    why = ("kubevouch", "explain", str(cause.code))
    if why != words:
        lines += (("WHY", shlex.join(why)),)
    return Conclusion(word, cause.text, lines)


def _lines(
    first: Sequence[str], following: Sequence[str], by_hand: str
) -> tuple[tuple[str, str], ...]:
    lines = [("FIRST", each) for each in first]
    lines.append(("NEXT", shlex.join(following)))
    return (*lines, (THEN, by_hand)) if by_hand else tuple(lines)


def nothing_found(verb: str, section: Section, evidence: Evidence) -> tuple[str, str]:
    """The word at the beginning of its line, and the line."""
    made = _pending(evidence)
    is_well, text = _seen(section, evidence, len(made))
    if section is Section.CSRS and made:
        # verify's rules do not ask why, and doctor's not before some time: neither says that this is well.
        oldest = "the oldest " if len(made) > 1 else ""
        ago = f", {oldest}made {days(min(made), evidence.at)} ago"
        why = "; why is for doctor to say" if verb == "verify" else ago
        return str(Severity.INFO), text + why
    return "ok" if is_well else "unknown", text


def _pending(evidence: Evidence) -> list[datetime]:
    """When each CSR was made that nobody has decided about."""
    csrs = (each for each in evidence.csrs.or_else(()) if not each.status.conditions)
    return [each.metadata.creation_timestamp or evidence.at for each in csrs]


def _seen(section: Section, evidence: Evidence, undecided: int) -> tuple[bool, str]:
    """The line of a section without findings, and whether all is well there, or only not known."""
    served, nodes = evidence.served, len(evidence.nodes.or_else(()))
    answering = sum(not is_silent(each) and not is_our_side(each) for each in served)
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
