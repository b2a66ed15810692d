"""What a rule answers: pass, refuse, or could not tell. Never two of them, and never silence."""

from collections.abc import Sequence
from enum import StrEnum


class Outcome(StrEnum):
    """The answer of a rule.

    CANNOT_TELL is not a refusal: evidence is missing, so it is asked again or reported, and never turned
    into a denial or a finding.
    """

    PASS = "pass"  # noqa: S105 - not a password
    REFUSE = "refuse"
    CANNOT_TELL = "cannot-tell"


def combined(outcomes: Sequence[Outcome]) -> Outcome:
    """All rules of one question together: one refusal refuses, else one doubt doubts. None at all is a doubt."""
    for foremost in (Outcome.REFUSE, Outcome.CANNOT_TELL):
        if foremost in outcomes:
            return foremost
    return Outcome.PASS if outcomes else Outcome.CANNOT_TELL
