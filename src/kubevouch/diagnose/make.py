"""Findings from the catalogue's entries: severity and name are never chosen anywhere else."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from kubevouch.diagnose.catalogue import CATALOGUE
from kubevouch.diagnose.finding import Finding, Proof, Severity
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import Served


def finding(
    code: str,
    title: str,
    *,
    subjects: Iterable[str] = (),
    proofs: Iterable[Proof] = (),
    because_of: str = "",
    severity: Severity | None = None,
) -> Finding:
    """A finding of that code."""
    return Finding(
        code=code,
        severity=severity or CATALOGUE[code].severity,
        title=title,
        subjects=tuple(subjects),
        proofs=tuple(proofs),
        because_of=because_of,
    )


def counted(number: int, one: str, several: str = "") -> str:
    """A count with its word: `1 node`, `4 nodes`."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def named(names: Sequence[str], most: int = 8) -> str:
    """All of the names, or the first ones and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def wire_proof(served: Served, seen: str | None = None) -> Proof:
    """What was seen on port 10250 of a node: in metrics-server's words, if not in others."""
    return Proof(
        subject=served.node,
        seen=wire_text(served) if seen is None else seen,
        vantage=str(Vantage.DIALLED),
        at=served.dialled.at,
        address=str(served.dialled.target),
    )


def wire_text(served: Served) -> str:
    """Go's text for what happened there; empty if all is well."""
    if served.dialled.failure is not None:
        return served.dialled.failure.go_text or served.dialled.failure.text
    return served.verdict.logged_text if served.verdict else ""


def api_proof(subject: str, seen: str, measured: Measured[Any]) -> Proof:
    """What the API server said."""
    return Proof(subject=subject, seen=seen, vantage=str(measured.vantage), at=measured.at)


def days(from_: datetime, to: datetime) -> str:
    """The time between two moments in words, rounded down: "56 days", "3 hours"."""
    seconds = abs(int((to - from_).total_seconds()))
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(seconds // size, word)
    return counted(seconds, "second")
