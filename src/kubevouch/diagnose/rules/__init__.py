"""The rules, functions from evidence to findings, in files by subject; `doctor.py` names the files.

`wire` has no rules. It answers what several rules ask: how a port answers, and what has only just
started.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Finding
from kubevouch.evidence.snapshot import Evidence


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with all the codes of its findings."""

    codes: frozenset[Code]
    judge: Callable[[Evidence], Iterable[Finding]]

    def __call__(self, evidence: Evidence) -> Iterable[Finding]:
        """The findings of the rule."""
        return self.judge(evidence)


def rule(*codes: Code) -> Callable[[Callable[[Evidence], Iterable[Finding]]], Rule]:
    """Makes a rule of a function. It counts if `doctor.py` names its file."""
    return lambda judge: Rule(frozenset(codes), judge)
