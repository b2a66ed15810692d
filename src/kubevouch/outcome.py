"""The three answers of a rule: pass, refuse, cannot tell."""

from collections.abc import Sequence
from enum import StrEnum


class Outcome(StrEnum):
    """The answer of a rule.

    CANNOT_TELL is not a refusal: evidence is missing. The rule is asked again or the gap is
    reported; it never becomes a denial or a finding.
    """

    PASS = "pass"  # noqa: S105 - not a password
    REFUSE = "refuse"
    CANNOT_TELL = "cannot-tell"


def combined(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of several rules: REFUSE if any refuses, else CANNOT_TELL if any cannot tell or there are no rules."""
    for decisive in (Outcome.REFUSE, Outcome.CANNOT_TELL):
        if decisive in outcomes:
            return decisive
    return Outcome.PASS if outcomes else Outcome.CANNOT_TELL
