"""Prints findings as text, JSON or YAML, for `doctor` and `verify`."""

from collections.abc import Callable, Sequence

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.documents import certificate_json, print_document
from kubevouch.cli.common.terminal import Colour, Terminal, one_line
from kubevouch.diagnose.catalogue import Section, Severity
from kubevouch.diagnose.doctor import (
    THEN,
    Cause,
    Conclusion,
    Diagnosis,
    conclusions_of,
    nothing_found,
)
from kubevouch.diagnose.make import Finding, Proof
from kubevouch.errors import ExitCode
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.x509.reasons import TLS_PREFIX

SCHEMA = "kubevouch.findings/1"
_PROOFS = 4
_SUBJECTS = 8
_WORTH_IT = 30
_INDENT = " " * 12

_ALWAYS_SHOWN = (
    Section.METRICS_API,
    Section.REACHING_KUBELETS,
    Section.CERTIFICATES,
    Section.CSRS,
)
_COLOURS = {
    Severity.CRITICAL: Colour.BAD,
    Severity.ERROR: Colour.BAD,
    Severity.WARNING: Colour.WARNING,
    Severity.INFO: Colour.QUIET,
}
_WORDS = {
    "CAUSE": Colour.BAD,
    "OK": Colour.GOOD,
    "ok": Colour.GOOD,
    "info": Colour.QUIET,
    "unknown": Colour.WARNING,
}
"""Colours of first words, in lines for sections without findings and in conclusions (default: `Colour.WARNING`)."""


def print_diagnosis(
    terminal: Terminal,
    verb: str,
    evidence: Evidence,
    diagnosis: Diagnosis,
    *,
    form: str,
    fail_on: Severity,
) -> ExitCode:
    """Prints the diagnosis. form: `table`, `short`, `json` or `yaml`. Returns the exit code."""
    code = diagnosis.exit_code(fail_on)
    conclusions = conclusions_of(verb, diagnosis, code, fail_on)
    if form in ("json", "yaml"):
        print_document(terminal, SCHEMA, as_json(terminal, verb, evidence, diagnosis, code))
        return code
    if form == "short":
        for each in diagnosis.findings:
            line = f"{each.severity:<8}  {each.code}  {each.title}"
            terminal.long_line(line, hang=17, colour=_COLOURS[each.severity])
    else:
        _print_all(terminal, verb, evidence, diagnosis)
    _print_end(terminal, conclusions)
    return code


def _print_all(terminal: Terminal, verb: str, evidence: Evidence, diagnosis: Diagnosis) -> None:
    shorten = shortener([node.name for node in evidence.nodes.or_else(())])
    _print_heading(terminal, evidence)
    for section in Section:
        found = [each for each in diagnosis.findings if each.code.section is section]
        if found or section in _ALWAYS_SHOWN:
            terminal.out(f"\n{section.name.lower().replace('_', '-')}")
        for each in found:
            _print_finding(terminal, each, shorten)
        if not found and section in _ALWAYS_SHOWN:
            word, text = nothing_found(verb, section, evidence)
            terminal.wrapped(text, f"  {word:<8}  ", _WORDS[word])


def shortener(names: Sequence[str]) -> Callable[[str], str]:
    """Returns a function that removes the common domain from node names, if the short names are unique."""
    domains = {name.partition(".")[2] for name in names}
    hosts = {name.partition(".")[0] for name in names}
    if len(domains) != 1 or len(hosts) != len(names) or len(names) < 2 or domains == {""}:
        return lambda name: name
    known = set(names)
    return lambda name: name.partition(".")[0] if name in known else name


def _print_heading(terminal: Terminal, evidence: Evidence) -> None:
    cluster = evidence.cluster
    names = [node.name for node in evidence.nodes.or_else(())]
    parts = (
        cluster.server,
        f"context {cluster.context}" if cluster.context else "service account",
        cluster.version.or_else("version unknown"),
    )
    terminal.wrapped("   ".join(map(one_line, parts)), "cluster  ")
    nodes = str(len(names)) if evidence.nodes.is_known else "not known"
    if names and shortener(names)(names[0]) != names[0]:
        nodes += f" (*.{names[0].partition('.')[2]}, left out below)"
    terminal.wrapped(nodes, "nodes    ")
    if maker := evidence.maker:
        text = f"{maker}, not kubeadm. Supported: {maker.works}"
        terminal.wrapped(text, "made by  ")
    at = f"{evidence.at:%Y-%m-%d %H:%M:%S} UTC"
    terminal.wrapped(f"{at}, read-only, by kubevouch {__version__}", "checked  ")


def _print_finding(terminal: Terminal, finding: Finding, shorten: Callable[[str], str]) -> None:
    because = f"   (because of {finding.because_of})" if finding.because_of else ""
    lead = f"  {finding.severity:<8}  {finding.code}  "
    terminal.wrapped(f"{finding.title}{because}", lead, _COLOURS[finding.severity])
    groups = grouped(finding.proofs)
    shown = groups[:_PROOFS]
    common = _common([group[0].seen for group in shown])
    vantages = {group[0].vantage for group in shown}
    if common and len(vantages) == 1:
        terminal.wrapped(f"{common} ... [{vantages.pop()}]", _INDENT)
        for group in shown:
            rest = group[0].seen.removeprefix(TLS_PREFIX).removeprefix(common).strip()
            terminal.wrapped(f"{_subjects(group, shorten)}: {rest}", f"{_INDENT}  ")
    else:
        for group in shown:
            seen = group[0].seen.removeprefix(TLS_PREFIX)
            text = f"{_subjects(group, shorten)}: {seen} [{group[0].vantage}]"
            terminal.wrapped(text, _INDENT)
    if len(groups) > _PROOFS:
        terminal.out(f"{_INDENT}and {len(groups) - _PROOFS} more (see -o json)")


def grouped(proofs: Sequence[Proof]) -> list[list[Proof]]:
    """Groups proofs that differ only in their subject."""
    groups: dict[tuple[str, str], list[Proof]] = {}
    for proof in proofs:
        groups.setdefault((proof.seen, proof.vantage), []).append(proof)
    return list(groups.values())


def _common(texts: Sequence[str]) -> str:
    """The common prefix of several texts, in whole words; empty if the prefix is too short."""
    begun = []
    for words in zip(*(text.removeprefix(TLS_PREFIX).split(" ") for text in texts), strict=False):
        if len(set(words)) > 1:
            break
        begun.append(words[0])
    common = " ".join(begun)
    return common if len(texts) > 1 and len(common) > _WORTH_IT else ""


def _subjects(proofs: Sequence[Proof], shorten: Callable[[str], str]) -> str:
    shown = [
        shorten(proof.subject) + (f"({proof.address})" if proof.address else "")
        for proof in proofs[:_SUBJECTS]
    ]
    if len(proofs) > len(shown):
        shown.append(f"{len(proofs) - len(shown)} more")
    return ", ".join(shown)


def _print_end(terminal: Terminal, conclusions: Sequence[Conclusion]) -> None:
    terminal.out()
    width = max(7, *(2 + len(each.word) for each in conclusions), 0)
    for each in conclusions:
        terminal.wrapped(each.text, each.word.ljust(width), _WORDS.get(each.word, Colour.WARNING))
        for word, text in each.lines:
            if word == THEN:
                terminal.wrapped(terminal.with_flags(text), word.ljust(width))
            else:
                terminal.command(word.ljust(width), text)


_STATUS = {
    ExitCode.OK: "OK",
    ExitCode.FINDINGS: "ProblemDetected",
    ExitCode.COULD_NOT_TELL: "Unknown",
}


def as_json(
    terminal: Terminal, verb: str, evidence: Evidence, diagnosis: Diagnosis, code: ExitCode
) -> dict[str, object]:
    """The diagnosis as JSON. Field names are stable. Times are in RFC 3339. `status` corresponds to the exit code."""
    counts: dict[str, int] = {}
    for each in diagnosis.findings:
        counts[each.severity] = counts.get(each.severity, 0) + 1
    return {
        "verb": verb,
        "at": evidence.at,
        "cluster": {
            "context": evidence.cluster.context,
            "server": evidence.cluster.server,
            "uid": evidence.cluster.uid.value,
            "version": evidence.cluster.version.value,
            "maker": str(evidence.maker) if evidence.maker else None,
        },
        "status": _STATUS[code],
        "counts": counts,
        "findings": [_with_command_line(terminal, each) for each in diagnosis.findings],
        "cause": _with_command_line(terminal, diagnosis.cause) if diagnosis.cause else None,
        "causes": [_with_command_line(terminal, each) for each in diagnosis.causes],
        "kubelets": [_served_json(each) for each in evidence.served],
    }


def _with_command_line(terminal: Terminal, each: Finding | Cause) -> dict[str, object]:
    """A finding or a cause as JSON. Its field `next` is one shell command line."""
    return {**msgspec.to_builtins(each), "next": terminal.hint(each.next)}


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
