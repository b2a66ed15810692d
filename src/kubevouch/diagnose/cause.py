"""One cause behind many findings, and the one command that comes next. Deterministic: a table, not a guess."""

from collections.abc import Iterable

import msgspec

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, named
from kubevouch.diagnose.rules.requests import has_no_approver
from kubevouch.evidence.snapshot import Evidence

PLAN = "kubevouch fix --plan plan.json --via ssh"

# What is wrong on the wire, worst first: behind most symptoms further up.
_WIRE = (
    "KV307", "KV304", "KV302", "KV301", "KV303", "KV308", "KV306", "KV311", "KV110", "KV201", "KV202",
)  # fmt: skip
# Why a kubelet has no certificate, or will have none.
_REQUESTS = ("KV403", "KV405", "KV404", "KV402", "KV401", "KV406")

# A symptom points to the first of these that is there and about the same nodes.
_BEHIND: dict[str, tuple[str, ...]] = {
    "KV103": ("KV108", *_WIRE),
    "KV112": _WIRE,
    "KV113": ("KV307", "KV304", "KV201", "KV202"),
    "KV301": ("KV501",),
    "KV302": ("KV110", "KV501"),
    "KV303": ("KV110", "KV501"),
    "KV304": ("KV501",),
    "KV305": _REQUESTS[:-1],
    "KV307": _REQUESTS,
    "KV502": ("KV501",),
    "KV605": ("KV501", "KV307"),
}
# Of several causes the first one here is named.
_ORDER = (
    "KV412", *_REQUESTS, "KV501", "KV307", "KV304", "KV302", "KV301", "KV110", "KV303", "KV308", "KV306", "KV311",
    "KV201", "KV202", "KV108", "KV102", "KV104", "KV101", "KV103", "KV605", "KV112", "KV113", "KV305", "KV602",
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
    return not theirs or not its or bool(theirs & its)


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
    subject = root.subjects[0] if root.subjects else ""
    then = _NEXT.get(root.code, f"kubevouch explain {root.code}")
    return f"{_sentence(root.title)}{where}.", then.format(subject=subject)


def _sentence(title: str) -> str:
    """With a capital, unless it begins with a program's name."""
    return title if "-" in title.partition(" ")[0] else title[:1].upper() + title[1:]


_PROBE = "kubevouch probe {subject}"
_KUBELET = "ssh {subject} journalctl -u kubelet -n 50"
_API_SERVICE = "kubectl get apiservice v1beta1.metrics.k8s.io -o yaml"
_LOG = "kubectl logs -n kube-system -l k8s-app=metrics-server --tail=20"
_NEXT = {
    "KV101": "kubectl get apiservices",
    "KV102": _API_SERVICE,
    "KV104": _API_SERVICE,
    "KV103": _LOG,
    "KV108": "kubectl describe pod -A -l k8s-app=metrics-server",
    "KV112": _LOG,
    "KV113": _LOG,
    "KV201": _KUBELET,
    "KV202": _KUBELET,
    "KV301": _PROBE,
    "KV302": _PROBE,
    "KV303": _PROBE,
    "KV304": _PROBE,
    "KV305": "kubevouch csr list",
    "KV306": _PROBE,
    "KV307": "kubevouch csr list",
    "KV308": _PROBE,
    "KV311": _PROBE,
    "KV404": "kubectl logs -n kube-system -l component=kube-controller-manager",
    "KV406": _KUBELET,
}


def _bootstrap_off(
    root: Finding, findings: tuple[Finding, ...], evidence: Evidence
) -> tuple[str, str]:
    symptoms = [each for each in findings if each.because_of == root.code and each.code in _WHAT]
    worst = min(symptoms, key=lambda each: each.severity.rank, default=None)
    what = ", and " + _WHAT[worst.code][len(root.subjects) != 1] if worst else ""
    count = counted(
        len(root.subjects),
        "kubelet signs its own certificate",
        "kubelets sign their own certificates",
    )
    nobody = ""
    if has_no_approver(evidence):
        better = "a better one" if len(root.subjects) == 1 else "better ones"
        nobody = f" Nothing on this cluster would approve {better}."
    who = f"{count} because serverTLSBootstrap is off{what}: {named(list(root.subjects))}."
    return f"{who} {_refused(findings, len(root.subjects))}{nobody}", PLAN


def _refused(findings: tuple[Finding, ...], count: int) -> str:
    them = "it" if count == 1 else "them"
    if any(each.code == "KV109" for each in findings):
        return f"metrics-server takes {them} only because it was told not to look."
    return f"metrics-server refuses {them}, rightly."


# Of one certificate, of several.
_WHAT = {
    "KV304": ("it has expired", "they have expired"),
    "KV302": ("it holds no IP address", "they hold no IP address"),
    "KV301": ("nobody else vouches for it", "nobody else vouches for them"),
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
    return f"{_sentence(root.title)}.", "kubevouch csr list"


def _outside(root: Finding, _: tuple[Finding, ...], __: Evidence) -> tuple[str, str]:
    first = root.proofs[0]
    text = (
        f"{_sentence(root.title)}: {first.subject}, {first.seen}. "
        "Do not approve it; look at the node that asked."
    )
    return text, f"kubevouch csr explain {first.subject}"


def _wrong_address(root: Finding, _: tuple[Finding, ...], evidence: Evidence) -> tuple[str, str]:
    deployment = evidence.metrics.deployment.value
    where = f"-n {deployment.namespace} {deployment.name}" if deployment else "metrics-server"
    return f"{_sentence(root.title)}.", f"kubectl edit deployment {where}"


_TELLERS = {
    "KV412": _outside,
    "KV110": _wrong_address,
    "KV501": _bootstrap_off,
    "KV401": _nobody_approves,
    "KV402": _held,
    "KV403": _held,
    "KV405": _held,
}
