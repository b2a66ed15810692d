"""Applies the rules to a snapshot. `doctor`, `verify` and the gates use named subsets of the same rules."""

from collections.abc import Iterable
from types import ModuleType

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, CountsIn, Severity
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.rules import (
    Rule,
    approving,
    certificates,
    configuration,
    csrs,
    doubts,
    metrics_api,
    nodes,
    outside_policy,
    ports,
)
from kubevouch.errors import ExitCode
from kubevouch.evidence.snapshot import Evidence


class Cause(msgspec.Struct, frozen=True):
    """The cause in words for a person, and what to do next."""

    code: Code
    text: str
    next: tuple[str, ...]
    """The words of one command."""

    by_hand: str = ""
    """What only a person can do about it, where that command does not fix it."""


MOST_CAUSES = 3


def linked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, with each symptom linked to what is behind it, if that covers all of its subjects."""
    found = tuple(findings)
    return tuple(
        msgspec.structs.replace(each, because_of=", ".join(_behind(each, found))) for each in found
    )


def _behind(symptom: Finding, findings: Iterable[Finding]) -> tuple[Code, ...]:
    """The codes that explain it: the first that covers all of its subjects alone, else those that do so together; else none.

    A finding without subjects is about the whole cluster.
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
    """Findings that nothing else explains, by rank: the first, and others that are errors or worse; few at most."""
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
    outside_policy,
    csrs,
    approving,
    configuration,
    certificates,
    doubts,
)


def _rules_of(file: ModuleType) -> tuple[Rule, ...]:
    """The rules of a file, in its order."""
    return tuple(each for each in vars(file).values() if isinstance(each, Rule))


def _counting_in(use: CountsIn) -> tuple[Rule, ...]:
    """The rules whose codes count in this verb by the catalogue."""
    return tuple(
        rule
        for file in _FILES
        for rule in _rules_of(file)
        if any(use in CATALOGUE[code].counts_in for code in rule.codes)
    )


DOCTOR = _counting_in(CountsIn.DOCTOR)
VERIFY = _counting_in(CountsIn.VERIFY)
"""The rules of `verify`: the metrics API has every node, every kubelet's certificate verifies, and our approver, if it is there, decides."""


class Diagnosis(msgspec.Struct, frozen=True):
    """The findings, worst first within their section, and their causes, first things first."""

    findings: tuple[Finding, ...]
    causes: tuple[Cause, ...]

    @property
    def cause(self) -> Cause | None:
        """What to see to first."""
        return next(iter(self.causes), None)

    def exit_code(self, fail_on: Severity) -> ExitCode:
        """1 for findings at or above the threshold; else 3 where something could not be told; else 0."""
        about = [each for each in self.findings if not each.code.is_doubt]
        if any(each.severity.at_least(fail_on) for each in about):
            return ExitCode.FINDINGS
        return ExitCode.COULD_NOT_TELL if len(about) < len(self.findings) else ExitCode.OK

    @property
    def first_doubt(self) -> Finding | None:
        """The one to see to first: a node that a run may have armed does not wait, and everything else does."""
        doubts = [each for each in self.findings if each.code.is_doubt]
        runs = [each for each in doubts if each.code is Code.RUN_NOT_FINISHED]
        return next(iter(runs + doubts), None)


def diagnose(evidence: Evidence, rules: tuple[Rule, ...] = DOCTOR) -> Diagnosis:
    """The findings of all rules, and their causes."""
    found = [finding for rule in rules for finding in rule(evidence)]
    findings = linked(
        sorted(found, key=lambda each: (each.code.section, each.severity.rank, each.code))
    )
    return Diagnosis(findings, causes_of(findings))
