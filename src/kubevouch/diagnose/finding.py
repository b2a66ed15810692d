"""A finding: a code of the catalogue, met on this cluster, with its proof."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad it is. Critical: broken now, or a hole."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)

    def at_least(self, threshold: "Severity") -> bool:
        """This one is as bad as the threshold, or worse."""
        return self.rank <= threshold.rank


class Proof(msgspec.Struct, frozen=True):
    """What was measured, from where, and when."""

    subject: str
    seen: str
    vantage: str
    at: datetime
    address: str = ""
    """What was dialled; empty where nothing was."""


class Finding(msgspec.Struct, frozen=True):
    """One code, met once or on many subjects."""

    code: str
    severity: Severity
    title: str
    """One line, with this cluster's numbers in it."""

    subjects: tuple[str, ...] = ()
    """Nodes, requests, pods … that it is about; none where it is about the cluster."""

    proofs: tuple[Proof, ...] = ()
    because_of: str = ""
    """The code that this one is only a symptom of; empty for a cause."""
