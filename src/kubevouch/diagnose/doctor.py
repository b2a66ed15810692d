"""Applies the rules to a snapshot of the cluster, and draws conclusions.

`doctor` applies all rules, `verify` and the end of `apply` only some of them.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Final

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, CountsIn, Section, Severity
from kubevouch.diagnose.make import Finding, counted
from kubevouch.diagnose.rules import (
    Rule,
    approving,
    certificates,
    configuration,
    csrs,
    doubts,
    metrics_api,
    nodes,
    ports,
)
from kubevouch.diagnose.rules.wire import is_our_side, is_silent
from kubevouch.errors import ExitCode
from kubevouch.evidence.makers import Maker
from kubevouch.evidence.snapshot import Evidence
from kubevouch.x509 import duration_text


class Cause(msgspec.Struct, frozen=True, rename="camel"):
    """The text of a cause, and what to do next."""

    code: Code
    text: str
    next: tuple[str, ...]
    """The next command, as a list of arguments."""

    by_hand: str = ""
    """What to do by hand if the command is not enough."""


MOST_CAUSES = 3


def linked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Returns the findings, with `because_of` set.

    A finding's `because_of` stays empty unless other findings explain all of its subjects.
    """
    found = tuple(findings)
    return tuple(
        msgspec.structs.replace(each, because_of=", ".join(_causes(each, found))) for each in found
    )


def _causes(symptom: Finding, findings: Iterable[Finding]) -> tuple[Code, ...]:
    """The codes of findings that together cover all subjects of the symptom; empty if they do not.

    A finding without subjects covers the whole cluster.
    """
    order = symptom.definition.symptom_of
    behind = sorted(
        (each for each in findings if each.code in order), key=lambda each: order.index(each.code)
    )
    rest, codes = set(symptom.subjects), dict[Code, None]()
    for each in behind:
        if not each.subjects or rest.issubset(each.subjects):
            return (*codes, each.code)
        if rest.intersection(each.subjects):
            rest.difference_update(each.subjects)
            codes[each.code] = None
    return ()


def causes_of(findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """Returns at most MOST_CAUSES findings that no other finding explains, by rank.

    Only the first may be less severe than an error.
    """
    roots = sorted(
        (
            each
            for each in findings
            if each.definition.cause_rank is not None and not each.because_of
        ),
        key=lambda each: each.definition.cause_rank or 0,
    )
    first, others = roots[:1], roots[1:]
    roots = [*first, *(each for each in others if each.severity.at_least(Severity.ERROR))]
    return tuple(Cause(r.code, r.cause, r.next, r.by_hand) for r in roots[:MOST_CAUSES])


_FILES: tuple[ModuleType, ...] = (
    metrics_api,
    nodes,
    ports,
    csrs,
    approving,
    configuration,
    certificates,
    doubts,
)


def _counting_in(use: CountsIn) -> tuple[Rule, ...]:
    return tuple(
        rule
        for file in _FILES
        for rule in vars(file).values()
        if isinstance(rule, Rule) and any(use in CATALOGUE[code].counts_in for code in rule.codes)
    )


DOCTOR = _counting_in(CountsIn.DOCTOR)
VERIFY = _counting_in(CountsIn.VERIFY)
"""The rules of `verify`. They check that the metrics API has every node, that every kubelet's
certificate verifies, and that our approver works, if one is installed."""


class Diagnosis(msgspec.Struct, frozen=True):
    """The findings, worst first within their section, and their causes, most urgent first."""

    findings: tuple[Finding, ...]
    causes: tuple[Cause, ...]

    @property
    def cause(self) -> Cause | None:
        """The most urgent cause; None if there is none."""
        return next(iter(self.causes), None)

    def exit_code(self, fail_on: Severity) -> ExitCode:
        """Returns 1 if a finding reaches the threshold, else 3 if some facts are unknown, else 0."""
        about = [each for each in self.findings if not each.code.is_doubt]
        if any(each.severity.at_least(fail_on) for each in about):
            return ExitCode.FINDINGS
        return ExitCode.COULD_NOT_TELL if len(about) < len(self.findings) else ExitCode.OK

    @property
    def first_doubt(self) -> Finding | None:
        """The most urgent finding that something is unknown. Unfinished runs come first."""
        doubts = [each for each in self.findings if each.code.is_doubt]
        runs = [each for each in doubts if each.code is Code.RUN_NOT_FINISHED]
        return next(iter(runs + doubts), None)


def diagnose(evidence: Evidence, rules: tuple[Rule, ...] = DOCTOR) -> Diagnosis:
    """Applies the rules to the evidence."""
    found = [finding for rule in rules for finding in rule(evidence)]
    findings = linked(
        sorted(found, key=lambda each: (each.code.section, each.severity.rank, each.code))
    )
    if maker := evidence.maker:
        findings = tuple(_by_its_maker(each, maker) for each in findings)
    return Diagnosis(findings, causes_of(findings))


def _by_its_maker(found: Finding, maker: Maker) -> Finding:
    """Replaces advice about plans and kubeadm with advice for clusters that `maker` creates.

    The advice is not a single command, so NEXT is a link to the tool's documentation. `kubectl
    describe node` replaces journalctl, since the unit may have another name, and the node may have
    no ssh.
    """
    if "journalctl" in found.next:
        return msgspec.structs.replace(
            found, next=("kubectl", "describe", "node", found.subjects[0])
        )
    if words := found.definition.elsewhere:
        proved = next((each.subject for each in found.proofs), "")
        known = {"subject": found.subjects[0], "csr": proved}
        return msgspec.structs.replace(
            found,
            next=tuple(word.format_map(known) for word in words),
            by_hand=f"{maker} made this cluster: fix this with its tools, not with kubeadm.",
        )
    if not found.definition.by_maker:
        return found
    return msgspec.structs.replace(found, next=(maker.link,), by_hand=f"{maker.way}.")


THEN: Final = "THEN"
_MAY_HIDE: Final = "the unknown facts under could-not-tell may hide a fault"
_ALL_VERIFIES: Final = (
    "the metrics API has fresh metrics of every node, and every kubelet's certificate verifies"
)


@dataclass(frozen=True)
class Conclusion:
    """A word such as CAUSE, its sentence, and the lines below the sentence."""

    word: str
    text: str
    lines: tuple[tuple[str, str], ...] = ()
    """FIRST, NEXT and WHY, each with a command line, and THEN with what to do by hand."""


def conclusions_of(
    verb: str, diagnosis: Diagnosis, code: ExitCode, fail_on: Severity
) -> list[Conclusion]:
    """Returns a conclusion for each cause.

    If nothing failed, OK or UNKNOWN comes first, and each cause has its severity in place of CAUSE.
    """
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
    is_bad = any(each.severity.at_least(Severity.ERROR) for each in diagnosis.findings)
    plain = verb != "verify" or is_bad
    text = f"no finding of severity {fail_on} or worse" if plain else _ALL_VERIFIES
    return Conclusion("OK", text)


def _unknown(diagnosis: Diagnosis, fail_on: Severity) -> Conclusion:
    """The conclusion if facts are unknown, with the first remedy."""
    doubt = diagnosis.first_doubt
    assert doubt is not None
    beside = (
        "nothing else" if diagnosis.cause is None else f"no finding of severity {fail_on} or worse"
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
    """The conclusion about a cause. said: commands that are already printed."""
    unfinished = (each for each in diagnosis.findings if each.code is Code.RUN_NOT_FINISHED)
    firsts = dict.fromkeys(shlex.join(each.next) for each in unfinished)
    first = [each for each in firsts if each not in said]
    # verify runs only some rules, so doctor may find a deeper cause.
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
    """Returns the first word and the text of the line for a section without findings."""
    made = _pending(evidence)
    is_well, text = _state_of(section, evidence, len(made))
    if section is Section.CSRS and made:
        # verify does not check why CSRs are pending, and doctor reports them only after some time.
        # So the section is not ok.
        oldest = "the oldest " if len(made) > 1 else ""
        ago = f", {oldest}made {duration_text(evidence.at - min(made))} ago"
        why = "; doctor shows why" if verb == "verify" else ago
        return str(Severity.INFO), text + why
    return "ok" if is_well else "unknown", text


def _pending(evidence: Evidence) -> list[datetime]:
    """Creation times of the undecided CSRs."""
    csrs = (each for each in evidence.csrs.or_else(()) if not each.status.conditions)
    return [each.metadata.creation_timestamp or evidence.at for each in csrs]


def _state_of(section: Section, evidence: Evidence, undecided: int) -> tuple[bool, str]:
    """Whether all is well in a section without findings, and the text for its line."""
    served, nodes = evidence.served, len(evidence.nodes.or_else(()))
    answering = sum(not is_silent(each) and not is_our_side(each) for each in served)
    trusted = sum(each.is_trusted for each in served)
    one, several = "CSR for a serving certificate", "CSRs for serving certificates"
    pending = counted(undecided, one, several)
    measured = evidence.metrics.measured_nodes
    seen, is_well, text = {
        Section.METRICS_API: (measured, bool(measured), f"{len(measured or ())} nodes in the metrics API"),
        Section.REACHING_KUBELETS: (nodes, 0 < answering == nodes, f"{answering} of {nodes} answer on their port (dialled from here)"),
        Section.CERTIFICATES: (nodes and evidence.trust.value, 0 < trusted == nodes, f"{trusted} of {nodes} serve a certificate that metrics-server trusts"),
        Section.CSRS: (evidence.csrs.is_known, True, f"{pending} pending"),
    }[section]  # fmt: skip
    return (is_well, text) if seen else (False, "could not be checked")
