"""A finding: a code of the catalogue, met on this cluster, with its proof."""

from datetime import datetime

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, FindingDefinition, Severity


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

    code: Code
    severity: Severity
    title: str
    """One line, with this cluster's numbers in it."""

    subjects: tuple[str, ...] = ()
    """Nodes, CSRs, pods ... that it is about; none where it is about the cluster."""

    proofs: tuple[Proof, ...] = ()
    because_of: str = ""
    """The code that this one is only a symptom of; empty for a cause."""

    cause: str = ""
    """The sentence that names this finding as the cause."""

    next: tuple[str, ...] = ()
    """The words of the command to run next if this is the cause; never empty once made."""

    by_hand: str = ""
    """What only a person can do about it, where that command does not mend it."""

    @property
    def definition(self) -> FindingDefinition:
        """What is known of its code on any cluster."""
        return CATALOGUE[self.code]
