"""All rules over one snapshot, and named subsets of them: the one judge of `doctor`, `verify` and the gates."""

from types import ModuleType

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, CountsIn, Severity
from kubevouch.diagnose.cause import Cause, cause_of, linked
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.rules import (
    Rule,
    address_types,
    configuration,
    control_plane,
    csrs,
    doubts,
    metrics_api,
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
    configuration,
    control_plane,
    doubts,
)


def _rules_of(file: ModuleType) -> tuple[Rule, ...]:
    """In the order in which they stand there."""
    return tuple(each for each in vars(file).values() if isinstance(each, Rule))


def _counting_in(use: CountsIn) -> tuple[Rule, ...]:
    """By what the catalogue says of each code."""
    return tuple(
        rule
        for file in _FILES
        for rule in _rules_of(file)
        if any(use in CATALOGUE[code].counts_in for code in rule.codes)
    )


DOCTOR = _counting_in(CountsIn.DOCTOR)
VERIFY = _counting_in(CountsIn.VERIFY)
"""What `verify` holds against a cluster: the metrics API answers for every node, and every node's TLS verifies."""


class Diagnosis(msgspec.Struct, frozen=True):
    """Findings, worst first within their section, and the one cause."""

    findings: tuple[Finding, ...]
    cause: Cause | None

    def exit_code(self, fail_on: Severity) -> ExitCode:
        """1 for findings at or above the threshold; else 3 where something could not be told; else 0."""
        about = [each for each in self.findings if not each.code.is_doubt]
        if any(each.severity.at_least(fail_on) for each in about):
            return ExitCode.FINDINGS
        return ExitCode.COULD_NOT_TELL if len(about) < len(self.findings) else ExitCode.OK


def diagnose(evidence: Evidence, rules: tuple[Rule, ...] = DOCTOR) -> Diagnosis:
    """Asks every rule."""
    found = [finding for rule in rules for finding in rule(evidence)]
    findings = linked(
        sorted(found, key=lambda each: (each.code.section, each.severity.rank, each.code))
    )
    return Diagnosis(findings, cause_of(findings))
