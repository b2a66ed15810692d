"""Findings as a page, in the same frame as that of `certs`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from kubevouch.cli.common.conclusion import THEN, Conclusion
from kubevouch.cli.common.diagnosis import SECTIONS, grouped
from kubevouch.cli.common.terminal import Colour, Terminal, one_line
from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import Diagnosis
from kubevouch.diagnose.finding import Finding, Proof
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.inventory.html.page import Writer, section, tiles
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
    write = Writer(one_line)
    cluster = evidence.cluster
    about = (
        f"{cluster.server}, context {cluster.context}" if cluster.context else cluster.server,
        f"Looked {evidence.at:%Y-%m-%d %H:%M:%S} UTC",
    )
    counts = Counter(each.severity for each in diagnosis.findings)
    parts = [
        _first(terminal, conclusions, write),
        tiles((counts[each], each, _TONES[each]) for each in Severity),
    ]
    by_section = groupby(diagnosis.findings, key=lambda each: each.code.section)
    for part, findings in by_section:
        content = "".join(line for each in findings for line in _finding(each, write))
        parts.append(section(SECTIONS[part], content, "long"))
    if evidence.served:
        parts.append(section("What each kubelet serves", _served(evidence.served, write), "long"))
    return write.page("What is wrong", about, parts)


def _first(terminal: Terminal, conclusions: Sequence[Conclusion], write: Writer) -> str:
    """What the terminal says in the end, in the colour of what is to be seen to."""
    if not conclusions:
        return section("What matters most", '<p class="word">No cause was found.</p>', "first")
    lines = []
    for each in conclusions:
        word = f'<span class="word {_CONCLUSION_TONES[each.colour]}">{each.word}</span>'
        lines.append(f"<p>{word}: {write.text(each.text)}</p>")
        for heading, text in each.lines:
            shown = write.text(terminal.hinted(text))
            if heading != THEN:
                shown = f"<code>{write.text(terminal.hint(text))}</code>"
            lines.append(f"<p>{heading.capitalize()}: {shown}</p>")
    tone = _CONCLUSION_TONES[conclusions[-1].colour]
    return section("What matters most", "".join(lines), f"first {tone}")


def _finding(finding: Finding, write: Writer) -> Iterator[str]:
    because = f" (because of {finding.because_of})" if finding.because_of else ""
    word = f'<span class="word {_TONES[finding.severity]}">{finding.severity} {finding.code}</span>'
    yield f"<p>{word} {write.text(finding.title + because)}</p>"
    if finding.proofs:
        proofs = "".join(f"<li>{write.text(_proof(each))}</li>" for each in grouped(finding.proofs))
        yield f'<ul class="soft">{proofs}</ul>'


def _proof(proofs: Sequence[Proof]) -> str:
    subjects = (
        f"{each.subject} ({each.address})" if each.address else each.subject for each in proofs
    )
    return f"{', '.join(subjects)}: {proofs[0].seen} [{proofs[0].vantage}]"


def _served(served: Sequence[Served], write: Writer) -> str:
    rows = []
    for each in served:
        leaf, failure, verdict = each.dialled.leaf, each.dialled.failure, each.verdict
        seen = (failure.go_text or failure.text) if failure else ""
        if verdict is not None:
            seen = "verifies" if verdict.trusted else verdict.go_text
        tone = "good" if verdict is not None and verdict.trusted else "bad"
        rows.append(
            [
                write.cell(each.node, kind="wide"),
                write.cell(str(each.dialled.target), kind="whole"),
                write.cell(expires_text(leaf.not_after) if leaf else "", kind="whole"),
                write.cell(seen, kind="wide", tone=tone),
            ]
        )
    return write.table(("NODE", "ADDRESS", "EXPIRES", "SEEN"), rows)
