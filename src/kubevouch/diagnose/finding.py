"""A finding: a code of the catalogue that applies to this cluster, with its proofs."""

from datetime import datetime

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, FindingDefinition, Severity


class Proof(msgspec.Struct, frozen=True):
    """A proof: what was seen, from where, and when."""

    subject: str
    seen: str
    vantage: str
    at: datetime
    address: str = ""
    """The address that was dialled; empty if none was."""


class Finding(msgspec.Struct, frozen=True):
    """A finding about one or many subjects."""

    code: Code
    severity: Severity
    title: str
    """One line, with the numbers of this cluster."""

    subjects: tuple[str, ...] = ()
    """The nodes, CSRs or pods that it is about; empty if it is about the cluster."""

    proofs: tuple[Proof, ...] = ()
    because_of: str = ""
    """The code whose symptom this finding is; empty if it is no symptom."""

    cause: str = ""
    """The sentence that names this finding as the cause."""

    next: tuple[str, ...] = ()
    """The words of the command to run next if this is the cause; never empty once made."""

    by_hand: str = ""
    """What only a person can do about it, where that command does not fix it."""

    @property
    def definition(self) -> FindingDefinition:
        """The definition of its code."""
        return CATALOGUE[self.code]
