"""Makes findings. Each has a code from the catalogue, and subjects and proofs from this cluster.

Its severity, NEXT and sentences come from the catalogue.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from kubevouch.diagnose.catalogue import CATALOGUE, Code, FindingDefinition, Severity
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import METRICS_SERVER_NAMESPACE, Evidence, Served


class Proof(msgspec.Struct, frozen=True):
    """A proof: what was seen, from where, and when."""

    subject: str
    seen: str
    vantage: str
    at: datetime
    address: str = ""
    """The dialled address; empty if nothing was dialled."""


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """A finding about one or more subjects, or about the whole cluster."""

    code: Code
    severity: Severity
    title: str
    """A summary in one line, with this cluster's numbers."""

    subjects: tuple[str, ...] = ()
    """What the finding is about, such as nodes, CSRs or pods; empty for the whole cluster."""

    proofs: tuple[Proof, ...] = ()
    because_of: str = ""
    """The codes of the findings that explain this one, comma-separated."""

    cause: str = ""
    """The sentence after CAUSE, if this finding is the cause."""

    next: tuple[str, ...] = ()
    """The next command, as a list of arguments, if this is the cause."""

    by_hand: str = ""
    """What to do by hand if the command is not enough."""

    @property
    def definition(self) -> FindingDefinition:
        """The catalogue's definition of the code."""
        return CATALOGUE[self.code]


_RELEASE = "meta.helm.sh/release-name"
_RELEASES = ("helm", "list", "--all-namespaces")
"""The NEXT command in place of kubectl if Helm installed the object. If kubectl changed the
object, Helm 4's next upgrade or rollback would fail with a field manager conflict."""


def finding(
    code: Code,
    title: str,
    *,
    subjects: Iterable[str] = (),
    proofs: Iterable[Proof] = (),
    severity: Severity | None = None,
    details: Mapping[str, str] = MappingProxyType({}),
) -> Finding:
    """Makes a finding with this code. details: further values for the definition's templates.

    Raises:
        KeyError: a template uses a missing detail.
    """
    definition, about = CATALOGUE[code], tuple(subjects)
    values = {
        "title": sentence(title),
        "subject": about[0] if about else "",
        "subjects": named(about),
        "where": f" ({named(about)})" if about else "",
        **details,
    }
    words = definition.next or ("kubevouch", "explain", str(code))
    if details.get("helm") and words[1] in ("patch", "edit"):
        words = _RELEASES
    return Finding(
        code=code,
        severity=severity or definition.severity,
        title=title,
        subjects=about,
        proofs=tuple(proofs),
        cause=definition.cause.format_map(values),
        next=tuple(word.format_map(values) for word in words),
        by_hand=definition.by_hand.format_map(values),
    )


def sentence(title: str) -> str:
    """Capitalizes the title unless it starts with a program's name."""
    first = title.partition(" ")[0]
    is_a_program = "-" in first or first == "kubevouch"
    return title if is_a_program else title[:1].upper() + title[1:]


def counted(number: int, one: str, several: str = "") -> str:
    """A count with its noun: `1 node`, `4 nodes`."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def named(names: Sequence[str], most: int = 8) -> str:
    """All names, or the first few and the number of the rest."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def wire_proof(served: Served, seen: str | None = None) -> Proof:
    """A proof from a handshake with a kubelet.

    seen: the proof's text; by default Go's error (`wire_text`).
    """
    return Proof(
        subject=served.node,
        seen=wire_text(served) if seen is None else seen,
        vantage=str(Vantage.DIALLED),
        at=served.dialled.at,
        address=str(served.dialled.target),
    )


def wire_text(served: Served) -> str:
    """Go's error for this handshake; empty if the certificate verifies."""
    if served.dialled.failure is not None:
        return served.dialled.failure.go_text or served.dialled.failure.text
    return served.verdict.logged_text if served.verdict else ""


def api_proof(subject: str, seen: str, measured: Measured[Any]) -> Proof:
    """A proof from a response of the API server."""
    return Proof(subject=subject, seen=seen, vantage=str(measured.vantage), at=measured.at)


def pods_of(evidence: Evidence) -> dict[str, str]:
    """Namespace and label selector of metrics-server's pods.

    They come from its Service, or else are those of its manifests.
    """
    namespace, labels = evidence.metrics.place
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return {"namespace": namespace, "selector": selector}


def deployment_of(evidence: Evidence) -> dict[str, str]:
    """Namespace, name and Helm release of metrics-server's Deployment. Defaults to its usual namespace and name."""
    found = evidence.metrics.deployment.value
    if found is None:
        return {"namespace": METRICS_SERVER_NAMESPACE, "deployment": "metrics-server"}
    helm = found.metadata.annotations.get(_RELEASE, "")
    return {"namespace": found.namespace, "deployment": found.name, "helm": helm}
