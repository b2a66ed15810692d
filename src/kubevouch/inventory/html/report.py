"""The inventory as a page: what matters most, a timeline, the chains, the tables, and what was not read."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kubevouch.diagnose.make import counted
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.inventory.advice import Advice
from kubevouch.inventory.ending import (
    Outlook,
    most_harmful,
    outlook_of,
    place_of,
    what_stops,
)
from kubevouch.inventory.fleet import (
    UseSummary,
    rows_not_read,
    signed_by,
    state_word,
    summed_up,
    unread_of,
)
from kubevouch.inventory.html.page import Cell, Line, PageSection, PageTable, Tile, WebPage
from kubevouch.inventory.html.pictures import MOST_CHAINS, TONES, chains, timeline
from kubevouch.inventory.kubeadm_tables import (
    AUTHORITY_COLUMNS,
    LEAF_COLUMNS,
    disk_tables,
    expires_text,
    is_in_kubeadms_tables,
    residual_time,
)
from kubevouch.inventory.rows import CertificateRow, Concern, Limits, RowState
from kubevouch.x509 import duration_text

_MOST_ROWS: Final = 50
_MOST_TROUBLES: Final = 6
_COLUMNS: Final = (
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
    hint: Callable[[str], str] = str,
) -> WebPage:
    """Builds the page. cluster: its display name. hint: adapts a command line of kubevouch to this cluster."""
    with_unread = (*rows_not_read(found.not_read), *rows)
    unread = unread_of(found)
    return WebPage(
        "Certificates",
        (cluster, f"Read {found.at:%Y-%m-%d %H:%M:%S} UTC"),
        _first(found, outlook_of(found, rows, limits), hint),
        _tiles(len(unread), rows, limits),
        [
            _ends_when(rows, limits),
            _stops(with_unread),
            _signed(rows, limits),
            *_disks(with_unread),
            *_others(with_unread, limits),
            *(
                [PageSection("Not read", "long", items=[each.text for each in unread])]
                if unread
                else []
            ),
        ],
    )


def _first(found: FoundCertificates, outlook: Outlook, hint: Callable[[str], str]) -> PageSection:
    troubles = outlook.troubles
    tone = "warn" if outlook.unknown or outlook.doubted else "good"
    lines = []
    if troubles:
        tone = TONES[troubles[0].concern]
        shown = most_harmful(troubles, _MOST_TROUBLES)
        for each in shown:
            text = f": {each.text(found.at)}"
            lines.append(Line(text, each.word.capitalize(), TONES[each.concern]))
            lines.append(Line(f"Stops: {each.rows[0].stops}", soft=True))
        if more := len(troubles) - len(shown):
            lines.append(Line(f"and {counted(more, 'more problem')}, in the table below"))
    else:
        text = "No certificate that was read has expired or expires soon."
        lines.append(Line(word=text, tone=tone))
        if outlook.unknown:
            lines.append(Line("Certificates that were not read may have expired."))
    lines += [Line(f"Also: {each}") for each in outlook.besides]
    first = outlook.first
    if not troubles and first is not None and first.remaining is not None:
        ends = f"{first.found.use} of {place_of(first)}, in {duration_text(first.remaining)}"
        lines.append(Line(f"Expires first: {ends}"))
        lines.append(Line(f"What stops then: {first.stops}", soft=True))
    if outlook.advice is not None:
        lines += _advised(outlook.advice, hint)
    return PageSection("What matters most", f"first {tone}", lines)


def _advised(advice: Advice, hint: Callable[[str], str]) -> Iterator[Line]:
    if advice.before:
        yield Line(f"Before: {advice.before}")
    if advice.command:
        yield Line("Next:", code=hint(shlex.join(advice.command)))
    if advice.by_hand:
        yield Line(f"By hand: {advice.by_hand}")


def _tiles(unread: int, rows: Sequence[CertificateRow], limits: Limits) -> tuple[Tile, ...]:
    """Counts the rows by concern. A missing file that need not exist is not counted."""
    counts = Counter(
        concern
        for row in rows
        if (concern := limits.concern(row)) is not Concern.NONE or row.found.certificate
    )
    return (
        Tile(counts[Concern.FAIL], "expired, wrong or missing", "bad"),
        Tile(counts[Concern.WARN], "expiring soon, or self-signed by the kubelet", "warn"),
        Tile(counts[Concern.NONE], "good", "good"),
        Tile(unread, "not read", "warn"),
    )


def _ends_when(rows: Sequence[CertificateRow], limits: Limits) -> PageSection:
    picture = timeline(rows, limits)
    none = [] if picture else [Line("No certificate was read.", soft=True)]
    return PageSection("When certificates expire", lines=none, timeline=picture)


def _stops(rows: Sequence[CertificateRow]) -> PageSection:
    lines = [
        (
            Cell(row.found.use, "whole"),
            Cell(_ends_at(row) or when, "whole"),
            Cell(row.stops, "wide"),
            Cell(row.renewed_by),
        )
        for row, when in what_stops(rows)
    ]
    table = PageTable(("CERTIFICATE", "FIRST EXPIRES", "WHAT STOPS", "RENEWED BY"), lines)
    return PageSection("What stops when a certificate expires", tables=[table])


def _signed(rows: Sequence[CertificateRow], limits: Limits) -> PageSection:
    pictures = chains(rows, limits)
    more = len(pictures) > MOST_CHAINS
    lines = [Line(f"the first {MOST_CHAINS} of {len(pictures)}", soft=True)] if more else []
    return PageSection("Who has signed what", lines=lines, chains=pictures[:MOST_CHAINS])


def _ends_at(row: CertificateRow) -> str:
    certificate = row.found.certificate
    return expires_text(certificate.not_after) if certificate else ""


def _disks(rows: Sequence[CertificateRow]) -> Iterator[PageSection]:
    """Yields a section for each node, with the tables of `kubeadm certs check-expiration`."""
    for node, leaves, authorities in disk_tables(rows):
        both = ((LEAF_COLUMNS, leaves), (AUTHORITY_COLUMNS, authorities))
        tables = [PageTable(names, list(map(_disk_cells, lines))) for names, lines in both if lines]
        where = [Line(f"on {node}", soft=True)] if node else []
        yield PageSection("kubeadm certs check-expiration", lines=where, tables=tables)


def _disk_cells(line: Sequence[str]) -> list[Cell]:
    name, ends, *more = line
    tone = "" if ends else "bad"
    return [Cell(name, tone=tone), Cell(ends, "whole"), *map(Cell, more)]


def _others(rows: Sequence[CertificateRow], limits: Limits) -> Iterator[PageSection]:
    others = [row for row in rows if not is_in_kubeadms_tables(row)]
    lines: list[Sequence[Cell]] = []
    for each in summed_up(others, limits, _MOST_ROWS):
        if isinstance(each, UseSummary):
            lines.append(_summary_cells(each))
            lines.extend(_cells(one.row, limits, f": {one.why}") for one in each.outliers)
        else:
            lines.append(_cells(each, limits))
    if lines:
        heading = "What kubeadm does not show" if len(others) < len(rows) else "Every certificate"
        yield PageSection(heading, "long", tables=[PageTable(_COLUMNS, lines)])


def _summary_cells(each: UseSummary) -> list[Cell]:
    first = each.first
    texts = (
        each.use,
        f"{each.count} places",
        ", ".join(f"{count} {word}" for word, count in each.states),
        _ends_at(first) if first else "",
        residual_time(first) if first else "",
        "",
        ", ".join(each.authorities[:3]),
        first.renewed_by if first else "",
    )
    return list(map(Cell, texts))


def _cells(row: CertificateRow, limits: Limits, why: str = "") -> tuple[Cell, ...]:
    found = row.found
    where = f"{found.node} {found.where}".strip()
    # The state already reports the expiry: x509's words would repeat it.
    told = () if row.state is RowState.EXPIRED else row.remarks
    remarks = "".join(f" ({each})" for each in told)
    return (
        Cell(found.use, "whole"),
        Cell(f"{where}{why}{remarks}", "wide"),
        Cell(state_word(row, limits), "whole", TONES[limits.concern(row)] or "good"),
        Cell(_ends_at(row), "whole"),
        Cell(residual_time(row), "whole"),
        Cell(row.percent_used),
        Cell(signed_by(row)),
        Cell(row.renewed_by),
    )
