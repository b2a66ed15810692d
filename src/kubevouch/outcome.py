"""The three answers of a rule: pass, refuse, cannot tell. And words that explain themselves."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self


class Explained(StrEnum):
    """Words that users see, each with its meaning."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """A member: the word, and what it means."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


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
