"""Findings for a person, and for a program. The same for `doctor` and `verify`."""

import textwrap

import msgspec

from kubevouch import __version__
from kubevouch.cli.certificates import certificate_json
from kubevouch.cli.terminal import Terminal
from kubevouch.diagnose.doctor import Diagnosis
from kubevouch.diagnose.finding import Finding, Proof
from kubevouch.evidence.snapshot import Evidence, Served

SCHEMA = "kubevouch.findings/1"
_PROOFS = 4
_WIDTH = 100

_SECTIONS = {
    "1": "metrics-api",
    "2": "reaching-kubelets",
    "3": "certificates",
    "4": "requests",
    "5": "configuration",
    "6": "control-plane",
    "9": "could-not-tell",
}


def print_diagnosis(
    terminal: Terminal, verb: str, evidence: Evidence, diagnosis: Diagnosis, form: str
) -> None:
    """`table` for a person, `short` for a ticket, `json` for a program."""
    if form == "json":
        terminal.out(msgspec.json.encode(as_json(verb, evidence, diagnosis)).decode())
        return
    if form == "table":
        terminal.out(_heading(evidence))
    for digit, section in _SECTIONS.items():
        found = [each for each in diagnosis.findings if each.code[2] == digit]
        if form == "short":
            for each in found:
                terminal.out(f"{each.severity:<8}  {each.code}  {each.title}")
        elif found or digit in "1234":
            terminal.out(f"\n{section}")
            for each in found:
                _print_finding(terminal, each)
            if not found:
                terminal.out(f"  ok        {_all_well(digit, evidence)}")
    _print_cause(terminal, diagnosis)


def _heading(evidence: Evidence) -> str:
    cluster = evidence.cluster
    nodes = len(evidence.nodes.or_else(()))
    parts = (
        f"kubevouch {__version__}",
        f"context {cluster.context}" if cluster.context else "service account",
        cluster.server,
        cluster.version.or_else("version unknown"),
        f"{nodes} node{'' if nodes == 1 else 's'}",
        "read-only",
    )
    return "   ".join(parts)


def _all_well(digit: str, evidence: Evidence) -> str:
    served = evidence.served
    answering = sum(each.dialled.failure is None for each in served)
    trusted = sum(bool(each.verdict and each.verdict.trusted) for each in served)
    pending = [r for r in evidence.requests.or_else(()) if not r.status.conditions]
    return {
        "1": f"{len(evidence.metrics.node_metrics.or_else(()))} nodes in the metrics API",
        "2": f"{answering}/{len(served)} finish a TLS handshake on their port (dialled from here)",
        "3": f"{trusted}/{len(served)} serve a certificate that metrics-server trusts",
        "4": f"{len(pending)} serving requests pending",
    }[digit]


def _print_finding(terminal: Terminal, finding: Finding) -> None:
    because = f"   (because of {finding.because_of})" if finding.because_of else ""
    terminal.out(f"  {finding.severity:<8}  {finding.code}  {finding.title}{because}")
    for proof in finding.proofs[:_PROOFS]:
        terminal.out(f"            {_proof_line(proof)}")
    if len(finding.proofs) > _PROOFS:
        terminal.out(f"            and {len(finding.proofs) - _PROOFS} more (-o json has all)")


def _proof_line(proof: Proof) -> str:
    return f"{proof.subject}: {proof.seen}   [{proof.vantage}]"


def _print_cause(terminal: Terminal, diagnosis: Diagnosis) -> None:
    cause = diagnosis.cause
    if cause is None:
        return
    terminal.out()
    terminal.out(
        textwrap.fill(
            cause.text,
            _WIDTH,
            initial_indent="CAUSE  ",
            subsequent_indent="       ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
    terminal.out(f"NEXT   {cause.next}")
    terminal.out(f"WHY    kubevouch explain {cause.code}")


def as_json(verb: str, evidence: Evidence, diagnosis: Diagnosis) -> dict[str, object]:
    """Stable names; times in RFC 3339."""
    counts: dict[str, int] = {}
    for each in diagnosis.findings:
        counts[each.severity] = counts.get(each.severity, 0) + 1
    return {
        "schemaVersion": SCHEMA,
        "kubevouch": __version__,
        "verb": verb,
        "at": evidence.at,
        "cluster": {
            "context": evidence.cluster.context,
            "server": evidence.cluster.server,
            "uid": evidence.cluster.uid.value,
            "version": evidence.cluster.version.value,
        },
        "status": "ProblemDetected" if diagnosis.findings else "OK",
        "counts": counts,
        "findings": diagnosis.findings,
        "cause": diagnosis.cause,
        "kubelets": [_served_json(each) for each in evidence.served],
    }


def _served_json(served: Served) -> dict[str, object]:
    dialled = served.dialled
    seen: dict[str, object] = {
        "node": served.node,
        "address": str(dialled.target),
        "at": dialled.at,
        "vantage": "dialled from here",
        "seconds": round(dialled.elapsed, 4),
    }
    if dialled.failure is not None:
        seen["failure"] = {
            "kind": str(dialled.failure.kind),
            "alert": dialled.failure.alert.name if dialled.failure.alert else None,
            "text": dialled.failure.go_text or dialled.failure.text,
        }
    leaf = dialled.leaf
    if leaf is not None:
        seen["tls"] = dialled.tls_version
        seen["certificate"] = certificate_json(leaf)
    if served.verdict is not None:
        seen["verdict"] = {
            "trusted": served.verdict.trusted,
            "reason": str(served.verdict.reason),
            "text": served.verdict.go_text,
        }
    return seen
