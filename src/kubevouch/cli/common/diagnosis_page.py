"""Findings as a page, in the same frame as that of `certs`."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from kubevouch.cli.common.conclusion import THEN, Conclusion
from kubevouch.cli.common.diagnosis import SECTIONS, grouped
from kubevouch.cli.common.terminal import Colour, Terminal, one_line
from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import Diagnosis
from kubevouch.diagnose.finding import Finding, Proof
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.inventory.html.page import Cell, Line, Page, Section, Table, Tile, html_of
from kubevouch.inventory.kubeadm_tables import expires_text

_TONES = {
    Severity.CRITICAL: "bad",
    Severity.ERROR: "bad",
    Severity.WARNING: "warn",
    Severity.INFO: "",
}
_CONCLUSION_TONES = {Colour.BAD: "bad", Colour.WARNING: "warn", Colour.GOOD: "good"}


def diagnosis_page(
    terminal: Terminal, evidence: Evidence, diagnosis: Diagnosis, conclusions: Sequence[Conclusion]
) -> str:
    """The conclusions and what to do next, every finding with its proofs, and what each kubelet serves."""
    cluster = evidence.cluster
    counts = Counter(each.severity for each in diagnosis.findings)
    by_section = groupby(diagnosis.findings, key=lambda each: each.code.section)
    sections = [
        Section(SECTIONS[part], "long", [_finding(each) for each in findings])
        for part, findings in by_section
    ]
    if evidence.served:
        sections.append(_served(evidence.served))
    page = Page(
        "What is wrong",
        (
            f"{cluster.server}, context {cluster.context}" if cluster.context else cluster.server,
            f"Looked {evidence.at:%Y-%m-%d %H:%M:%S} UTC",
        ),
        _first(terminal, conclusions),
        [Tile(counts[each], each, _TONES[each]) for each in Severity],
        sections,
    )
    return html_of(page, one_line)


def _first(terminal: Terminal, conclusions: Sequence[Conclusion]) -> Section:
    """What the terminal says in the end, in the colour of what is to be seen to."""
    if not conclusions:
        return Section("What matters most", "first", [Line(word="No cause was found.")])
    lines = []
    for each in conclusions:
        lines.append(Line(f": {each.text}", each.word, _CONCLUSION_TONES[each.colour]))
        for heading, text in each.lines:
            lead = f"{heading.capitalize()}:"
            if heading == THEN:
                lines.append(Line(f"{lead} {terminal.hinted(text)}"))
            else:
                lines.append(Line(lead, code=terminal.hint(text)))
    return Section("What matters most", f"first {_CONCLUSION_TONES[conclusions[-1].colour]}", lines)


def _finding(finding: Finding) -> Line:
    because = f" (because of {finding.because_of})" if finding.because_of else ""
    return Line(
        f" {finding.title}{because}",
        f"{finding.severity} {finding.code}",
        _TONES[finding.severity],
        proofs=[_proof(each) for each in grouped(finding.proofs)],
    )


def _proof(proofs: Sequence[Proof]) -> str:
    subjects = (
        f"{each.subject} ({each.address})" if each.address else each.subject for each in proofs
    )
    return f"{', '.join(subjects)}: {proofs[0].seen} [{proofs[0].vantage}]"


def _served(served: Sequence[Served]) -> Section:
    rows = []
    for each in served:
        leaf, failure, verdict = each.dialled.leaf, each.dialled.failure, each.verdict
        seen = (failure.go_text or failure.text) if failure else ""
        if verdict is not None:
            seen = "verifies" if verdict.trusted else verdict.go_text
        rows.append(
            (
                Cell(each.node, "wide"),
                Cell(str(each.dialled.target), "whole"),
                Cell(expires_text(leaf.not_after) if leaf else "", "whole"),
                Cell(seen, "wide", "good" if verdict is not None and verdict.trusted else "bad"),
            )
        )
    table = Table(("NODE", "ADDRESS", "EXPIRES", "SEEN"), rows)
    return Section("What each kubelet serves", "long", tables=[table])
