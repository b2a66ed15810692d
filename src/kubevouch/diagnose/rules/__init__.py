"""The rules: functions that take evidence and return findings, in one file for each subject.

`doctor.py` lists the files. `wire.py` has no rules, but functions that several rules use.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Finding
from kubevouch.evidence.snapshot import Evidence


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and all codes that its findings may have."""

    codes: frozenset[Code]
    judge: Callable[[Evidence], Iterable[Finding]]

    def __call__(self, evidence: Evidence) -> Iterable[Finding]:
        """Applies the rule to the evidence."""
        return self.judge(evidence)


def rule(*codes: Code) -> Callable[[Callable[[Evidence], Iterable[Finding]]], Rule]:
    """Decorates a function as a rule. `doctor.py` must list the function's file."""
    return lambda judge: Rule(frozenset(codes), judge)
