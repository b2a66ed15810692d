"""The three possible results of a rule, the severity of a finding, and a base class for enums with explained values."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self


class Explained(StrEnum):
    """An enum whose values are words that users see. Each member also has a text: its meaning."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Creates a member from a word and its meaning."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class Outcome(StrEnum):
    """The result of a rule.

    CANNOT_TELL means missing evidence. It is never a denial or a finding: the rule is evaluated
    again, or the missing evidence is reported.
    """

    PASS = "pass"  # noqa: S105 - not a password
    REFUSE = "refuse"
    CANNOT_TELL = "cannot-tell"


def combined(outcomes: Sequence[Outcome]) -> Outcome:
    """The combined outcome of several rules.

    REFUSE if any rule refuses. Else CANNOT_TELL if any rule cannot tell, or if there are no rules.
    Else PASS.
    """
    for decisive in (Outcome.REFUSE, Outcome.CANNOT_TELL):
        if decisive in outcomes:
            return decisive
    return Outcome.PASS if outcomes else Outcome.CANNOT_TELL


class Severity(Explained):
    """The severity of a finding, worst first."""

    CRITICAL = "critical", "broken now, or insecure"
    ERROR = "error", "wrong, and something fails because of it"
    WARNING = "warning", "nothing fails yet"
    INFO = "info", "good to know"

    @property
    def rank(self) -> int:
        """The position in the order of severity; 0 is the worst."""
        return list(Severity).index(self)

    def at_least(self, threshold: "Severity") -> bool:
        """Whether this severity is at least as bad as the threshold."""
        return self.rank <= threshold.rank
