"""One cause behind many findings, and the one command that comes next. Deterministic: a table, not a guess."""

from collections.abc import Iterable

import msgspec

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, named
from kubevouch.diagnose.rules.requests import running_approver
from kubevouch.evidence.snapshot import Evidence

PLAN = "kubevouch fix --plan plan.json --via ssh"

# A symptom points to the first of these that is there.
_BEHIND: dict[str, tuple[str, ...]] = {
    "KV103": (
        "KV307",
        "KV304",
        "KV302",
        "KV301",
        "KV303",
        "KV308",
        "KV306",
        "KV311",
        "KV110",
        "KV201",
        "KV202",
    ),
    "KV112": (
        "KV307",
        "KV304",
        "KV302",
        "KV301",
        "KV303",
        "KV308",
        "KV306",
        "KV311",
        "KV110",
        "KV201",
        "KV202",
    ),
    "KV113": ("KV307", "KV304", "KV201", "KV202"),
    "KV301": ("KV501",),
    "KV302": ("KV501",),
    "KV304": ("KV501",),
    "KV303": ("KV110", "KV501"),
    "KV307": ("KV403", "KV405", "KV404", "KV402", "KV401", "KV406"),
    "KV305": ("KV403", "KV405", "KV404", "KV402", "KV401"),
    "KV605": ("KV501", "KV307"),
    "KV502": ("KV501",),
}
# Of several causes the first one here is named.
_ORDER = (
    "KV403", "KV405", "KV404", "KV402", "KV401", "KV406", "KV501", "KV307", "KV304", "KV302", "KV301", "KV110",
    "KV303", "KV308", "KV306", "KV311", "KV201", "KV202", "KV108", "KV102", "KV104", "KV101", "KV103", "KV605",
    "KV112", "KV113", "KV602",
)  # fmt: skip


class Cause(msgspec.Struct, frozen=True):
    """What is behind it all, for a person."""

    code: str
    text: str
    next: str
    """One command."""


def linked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each symptom with the code that it comes from, where that is there too and about the same nodes."""
    found = tuple(findings)
    by_code = {each.code: each for each in found}
    return tuple(_linked(each, by_code) for each in found)


def _linked(finding: Finding, by_code: dict[str, Finding]) -> Finding:
    for code in _BEHIND.get(finding.code, ()):
        behind = by_code.get(code)
        if behind is not None and _about_the_same(finding, behind):
            return msgspec.structs.replace(finding, because_of=code)
    return finding


def _about_the_same(symptom: Finding, cause: Finding) -> bool:
    theirs, its = set(symptom.subjects), set(cause.subjects)
    return not theirs or not its or bool(theirs & its) or cause.code.startswith("KV4")


def cause_of(findings: tuple[Finding, ...], evidence: Evidence) -> Cause | None:
    """The one cause; None where nothing is wrong enough to have one."""
    roots = {each.code: each for each in findings if not each.because_of}
    for code in _ORDER:
        if code in roots:
            return _told(roots[code], findings, evidence)
    return None


def _told(root: Finding, findings: tuple[Finding, ...], evidence: Evidence) -> Cause:
    text, then = _TELLERS.get(root.code, _plainly)(root, findings, evidence)
    return Cause(root.code, text, then)


def _plainly(root: Finding, _: tuple[Finding, ...], __: Evidence) -> tuple[str, str]:
    where = f" ({named(list(root.subjects))})" if root.subjects else ""
    return f"{root.title[:1].upper()}{root.title[1:]}{where}.", f"kubevouch explain {root.code}"


def _bootstrap_off(
    root: Finding, findings: tuple[Finding, ...], evidence: Evidence
) -> tuple[str, str]:
    symptoms = [each for each in findings if each.because_of == root.code and each.code in _WHAT]
    worst = min(symptoms, key=lambda each: each.severity.rank, default=None)
    what = f", and {_WHAT[worst.code]}" if worst else ""
    count = counted(
        len(root.subjects),
        "kubelet signs its own certificate",
        "kubelets sign their own certificates",
    )
    nobody = ""
    if evidence.approvers.is_known and running_approver(evidence) is None:
        nobody = " Nothing on this cluster would approve better ones."
    who = f"{count} because serverTLSBootstrap is off{what}: {named(list(root.subjects))}."
    return f"{who} metrics-server refuses them, rightly.{nobody}", PLAN


_WHAT = {
    "KV304": "they have expired",
    "KV302": "they hold no IP address",
    "KV301": "nobody else vouches for them",
}


def _nobody_approves(_: Finding, findings: tuple[Finding, ...], __: Evidence) -> tuple[str, str]:
    text = (
        "serverTLSBootstrap is on, kubelets ask for their certificates, "
        "and nothing on this cluster approves them."
    )
    dark = next((each for each in findings if each.code == "KV307"), None)
    if dark is None:
        return text, PLAN
    have = counted(len(dark.subjects), "kubelet has", "kubelets have")
    return f"{text} {have} no serving certificate: {named(list(dark.subjects))}.", PLAN


def _held(root: Finding, _: tuple[Finding, ...], __: Evidence) -> tuple[str, str]:
    return f"{root.title[:1].upper()}{root.title[1:]}.", "kubevouch csr list"


_TELLERS = {
    "KV501": _bootstrap_off,
    "KV401": _nobody_approves,
    "KV402": _held,
    "KV403": _held,
    "KV405": _held,
}
