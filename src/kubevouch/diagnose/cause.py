"""Finds the few causes behind many findings, and the command to run next, by the catalogue."""

from collections.abc import Iterable

import msgspec

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.finding import Finding


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
