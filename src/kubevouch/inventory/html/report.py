"""The inventory as a page: what matters most, a time-line, the chains, the tables, and what was not read."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from kubevouch.diagnose.make import counted
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.inventory.advice import Advice, advice_of, advice_on_unread
from kubevouch.inventory.ending import (
    Trouble,
    besides,
    doubted_of,
    first_to_end,
    most_harmful,
    place_of,
    troubles_of,
    what_stops,
)
from kubevouch.inventory.fleet import UseSummary, signed_by, state_word, summed_up
from kubevouch.inventory.html.chains import chains
from kubevouch.inventory.html.page import Writer, section, tiles
from kubevouch.inventory.html.timeline import TONES, timeline
from kubevouch.inventory.kubeadm_tables import (
    absent_word,
    expires_text,
    is_in_kubeadms_tables,
    managed_elsewhere,
    residual_time,
)
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.not_read import Unread, none_there, rows_not_read, unread_of
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import CertificateRow, RowState
from kubevouch.x509 import duration_text

_MOST_ROWS: Final = 50
_MOST_TROUBLES: Final = 6
_LEAVES = ("CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED")
_AUTHORITIES = ("CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED")
_COLUMNS = (
    "CERTIFICATE",
    "WHERE",
    "STATE",
    "EXPIRES",
    "RESIDUAL TIME",
    "LIFE USED",
    "CERTIFICATE AUTHORITY",
    "RENEWED BY",
)


def report(
    cluster: str,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    limits: Limits,
    *,
    write: Writer,
    hint: Callable[[str], str] = str,
) -> str:
    """The page. cluster: its name for a person. hint: a command line of ours as it acts on this cluster."""
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    with_unread = (*rows, *rows_not_read(found.not_read))
    on_disk = [row for row in with_unread if is_in_kubeadms_tables(row)]
    others = [row for row in with_unread if not is_in_kubeadms_tables(row)]
    unread = unread_of(found.not_read, rows, asked_disks=found.asked_disks)
    parts = [
        _first(found, rows, limits, write, hint),
        _counts(unread, rows, limits),
        section("What ends when", timeline(rows, limits, write)),
        _what_stops(with_unread, write),
        section("Who has signed what", chains(rows, limits, write)),
        *_kubeadms(on_disk, write),
    ]
    if others:
        heading = "What kubeadm does not show" if on_disk else "Every certificate"
        parts.append(section(heading, _table(others, limits, write), "long"))
    for title, lines in (
        ("Not read", [each.text for each in unread]),
        ("Not there, and not missed", none_there(found.not_read)),
    ):
        if lines:
            each = "".join(f"<li>{write.text(line)}</li>" for line in lines)
            parts.append(section(title, f"<ul>{each}</ul>", "long"))
    return write.page("Certificates", (cluster, f"Read {at}"), parts)


def _first(
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    limits: Limits,
    write: Writer,
    hint: Callable[[str], str],
) -> str:
    troubles = troubles_of(rows, limits)
    if troubles:
        shown = most_harmful(troubles, _MOST_TROUBLES)
        lines = [line for each in shown for line in _told(each, found, write)]
        if more := len(troubles) - len(shown):
            lines.append(f"<p>and {counted(more, 'more kind')}, in the table below</p>")
        lines += _besides(rows, write)
        advice = advice_of(troubles[0].rows[0], without_cluster=found.without_cluster)
        lines += _advised(advice, write, hint)
        return section("What matters most", "".join(lines), f"first {TONES[troubles[0].concern]}")
    doubted = doubted_of(rows)
    unknown = not all(each.is_ordinary for each in found.not_read)
    tone = "warn" if unknown or doubted else "good"
    text = "Nothing that was read has ended or is near its end."
    lines = [f'<p class="word {tone}">{text}</p>']
    if unknown:
        lines.append("<p>What could not be read may have ended, too.</p>")
    lines += _besides(rows, write)
    first = first_to_end(rows)
    if first is not None and first.remaining is not None:
        ends = f"First to end: {first.found.use} of {place_of(first)}, in {duration_text(first.remaining)}"
        lines.append(
            f'<p>{write.text(ends)}</p><p class="soft">Then stops: {write.text(first.stops)}</p>'
        )
    if advice_to_read := advice_on_unread(found):
        lines += _advised(advice_to_read, write, hint)
    return section("What matters most", "".join(lines), f"first {tone}")


def _besides(rows: Sequence[CertificateRow], write: Writer) -> list[str]:
    return [f"<p>{write.text(f'Besides: {each}')}</p>" for each in besides(rows)]


def _advised(advice: Advice, write: Writer, hint: Callable[[str], str]) -> list[str]:
    lines = [f"<p>Before: {write.text(advice.before)}</p>"] if advice.before else []
    for lead, words in (("Before", advice.try_first), ("Next", advice.command)):
        if words:
            command = write.text(hint(shlex.join(words)))
            lines.append(f"<p>{lead}: <code>{command}</code></p>")
    if advice.by_hand:
        lines.append(f"<p>By hand: {write.text(advice.by_hand)}</p>")
    return lines


def _told(trouble: Trouble, found: FoundCertificates, write: Writer) -> tuple[str, str]:
    word = trouble.word.capitalize()
    return (
        f'<p><span class="word {TONES[trouble.concern]}">{word}</span>: {write.text(trouble.text(found.at))}</p>',
        f'<p class="soft">Stops: {write.text(trouble.rows[0].stops)}</p>',
    )


def _counts(unread: Sequence[Unread], rows: Sequence[CertificateRow], limits: Limits) -> str:
    """What may be missing is in no tile: it is not good for that."""
    counts = Counter(
        concern
        for row in rows
        if (concern := limits.concern(row)) is not Concern.NONE or row.found.certificate
    )
    return tiles(
        (
            (counts[Concern.FAIL], "ended, wrong or not there", "bad"),
            (counts[Concern.WARN], "near their end, or signed by the kubelet itself", "warn"),
            (counts[Concern.NONE], "good", "good"),
            (len(unread), "not read", "warn"),
        )
    )


def _what_stops(rows: Sequence[CertificateRow], write: Writer) -> str:
    lines = [
        (
            write.cell(row.found.use, kind="whole"),
            write.cell(_ends_at(row) or when, kind="whole"),
            write.cell(row.stops, kind="wide"),
            write.cell(row.renewed_by),
        )
        for row, when in what_stops(rows)
    ]
    columns = ("CERTIFICATE", "FIRST ENDS", "WHAT STOPS", "RENEWED BY")
    return section("What stops when it ends", write.table(columns, lines))


def _ends_at(row: CertificateRow) -> str:
    certificate = row.found.certificate
    return expires_text(certificate.not_after) if certificate else ""


def _kubeadms(rows: Sequence[CertificateRow], write: Writer) -> list[str]:
    """As kubeadm shows it, a part for each node."""
    found = []
    by_node = sorted(rows, key=lambda row: (row.found.node, row.found.use))
    for node, group in groupby(by_node, key=lambda row: row.found.node):
        same = list(group)
        leaves = [row for row in same if not PURPOSES[row.found.use].is_ca]
        authorities = [row for row in same if PURPOSES[row.found.use].is_ca]
        tables = [
            write.table(headings, [_kubeadm_cells(row, write, with_ca=is_leaf) for row in shown])
            for headings, shown, is_leaf in (
                (_LEAVES, leaves, True),
                (_AUTHORITIES, authorities, False),
            )
            if shown
        ]
        where = f'<p class="soft">on {write.text(node)}</p>' if node else ""
        found.append(section("kubeadm certs check-expiration", where + "<br>".join(tables)))
    return found


def _kubeadm_cells(row: CertificateRow, write: Writer, *, with_ca: bool = False) -> list[str]:
    if row.found.certificate is None:
        return [
            write.cell(f"!{absent_word(row)}! {row.found.use}", tone="bad"),
            *["<td></td>"] * (3 + with_ca),
        ]
    cells = [
        write.cell(row.found.use),
        write.cell(_ends_at(row), kind="whole"),
        write.cell(residual_time(row)),
    ]
    if with_ca:
        cells.append(write.cell(row.found.ca))
    return [*cells, write.cell(managed_elsewhere(row))]


def _table(rows: Sequence[CertificateRow], limits: Limits, write: Writer) -> str:
    lines: list[list[str]] = []
    for each in summed_up(rows, limits, _MOST_ROWS):
        if isinstance(each, UseSummary):
            states = ", ".join(f"{count} {word}" for word, count in each.states)
            first = each.first
            ends, left = (_ends_at(first), residual_time(first)) if first else ("", "")
            cells = [
                each.use,
                f"{each.count} places",
                states,
                ends,
                left,
                "",
                ", ".join(each.authorities[:3]),
            ]
            lines.append([write.cell(cell) for cell in (*cells, first.renewed_by if first else "")])
            lines.extend(_cells(one.row, limits, write, f": {one.why}") for one in each.outliers)
        else:
            lines.append(_cells(each, limits, write))
    return write.table(_COLUMNS, lines)


def _cells(row: CertificateRow, limits: Limits, write: Writer, why: str = "") -> list[str]:
    found = row.found
    where = f"{found.node} {found.where}".strip()
    # What has ended is told by its state: x509's words would say it again.
    told = () if row.state is RowState.EXPIRED else row.remarks
    remarks = "".join(f" ({each})" for each in told)
    return [
        write.cell(found.use, kind="whole"),
        write.cell(f"{where}{why}{remarks}", kind="wide"),
        write.cell(
            state_word(row, limits), kind="whole", tone=TONES[limits.concern(row)] or "good"
        ),
        write.cell(_ends_at(row), kind="whole"),
        write.cell(residual_time(row), kind="whole"),
        write.cell(row.percent_used),
        write.cell(signed_by(row)),
        write.cell(row.renewed_by),
    ]
