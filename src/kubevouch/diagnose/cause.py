"""Finds the one cause behind many findings, and the command to run next, by the catalogue."""

from collections.abc import Iterable

import msgspec

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Finding


class Cause(msgspec.Struct, frozen=True):
    """The cause in words for a person, and what to do next."""

    code: Code
    text: str
    next: tuple[str, ...]
    """The words of one command."""

    by_hand: str = ""
    """What only a person can do about it, where that command does not fix it."""


def linked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, with each symptom linked to the finding behind it about the same subjects."""
    found = tuple(findings)
    by_code = {each.code: each for each in found}
    return tuple(_linked(each, by_code) for each in found)


def _linked(symptom: Finding, by_code: dict[Code, Finding]) -> Finding:
    for code in symptom.definition.symptom_of:
        behind = by_code.get(code)
        if behind is not None and _about_the_same(symptom, behind):
            return msgspec.structs.replace(symptom, because_of=code)
    return symptom


def _about_the_same(symptom: Finding, behind: Finding) -> bool:
    """Whether two findings share subjects. A finding without subjects is about the whole cluster."""
    one, other = set(symptom.subjects), set(behind.subjects)
    return not one or not other or bool(one & other)


def cause_of(findings: Iterable[Finding]) -> Cause | None:
    """The cause with the lowest rank that is not a symptom of another finding; None if no finding has a rank."""
    ranked = [
        (each.definition.cause_rank, each)
        for each in findings
        if each.definition.cause_rank is not None and not each.because_of
    ]
    if not ranked:
        return None
    _, root = min(ranked, key=lambda pair: pair[0])
    return Cause(root.code, root.cause, root.next, root.by_hand)
