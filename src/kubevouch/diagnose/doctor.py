"""Applies the rules to a snapshot. `doctor`, `verify` and the gates use named subsets of the same rules."""

from types import ModuleType

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, CountsIn, Severity
from kubevouch.diagnose.cause import Cause, causes_of, linked
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.rules import (
    Rule,
    address_types,
    certificates,
    configuration,
    control_plane,
    csrs,
    doubts,
    metrics_api,
    next_csrs,
    nodes,
    outside_policy,
    ports,
)
from kubevouch.errors import ExitCode
from kubevouch.evidence.snapshot import Evidence

_FILES: tuple[ModuleType, ...] = (
    metrics_api,
    address_types,
    nodes,
    ports,
    outside_policy,
    csrs,
    next_csrs,
    configuration,
    control_plane,
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
