"""The inventory for a person: kubeadm's two tables, what kubeadm does not show, what stops, and what is to be done."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from kubevouch import __version__
from kubevouch.cli.common.diagnosis import shortener
from kubevouch.cli.common.layout import fits
from kubevouch.cli.common.terminal import Colour, Terminal
from kubevouch.evidence.certificates import CertificateUse, FoundCertificates, NotRead
from kubevouch.evidence.measured import DoubtKind
from kubevouch.inventory.ending import Trouble, advice_of, first_to_end, places_of, troubles_of
from kubevouch.inventory.fleet import Outlier, UseSummary, signed_by, state_word, summed_up
from kubevouch.inventory.kubeadm_tables import (
    SHOWN_BY_KUBEADM,
    expires_text,
    is_in_kubeadms_tables,
    kubeadm_tables,
    residual_time,
)
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.rows import CertificateRow, RowState
from kubevouch.x509 import duration_text

_COLUMNS = (
    "CERTIFICATE",
    "WHERE",
    "EXPIRES",
    "RESIDUAL TIME",
    "CERTIFICATE AUTHORITY",
    "RENEWED BY",
)
_MOST_TROUBLES = 4
_MOST_NOT_READ = 8
_LEAD = 12
_PLACE = 24
_LEFT_OUT: tuple[tuple[str, ...], ...] = (
    (),
    ("CERTIFICATE AUTHORITY",),
    ("CERTIFICATE AUTHORITY", "RENEWED BY"),
)
_Shorten = Callable[[str], str]


def print_tables(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    limits: Limits,
) -> None:
    """All of it. What matters most stands first, and with what is to be done once more at the end."""
    names = [row.found.node for row in rows if row.found.node]
    shorten = shortener(list(dict.fromkeys(names)))
    troubles = troubles_of(rows, limits)
    _print_heading(terminal, found, rows, troubles, shorten)
    on_disk = [row for row in rows if is_in_kubeadms_tables(row)]
    _print_kubeadms(terminal, found, on_disk)
    others = [row for row in rows if not is_in_kubeadms_tables(row)]
    again = [row for row in others if row.found.use in SHOWN_BY_KUBEADM]
    more = [row for row in others if row.found.use not in SHOWN_BY_KUBEADM]
    _print_section(terminal, "what kubeadm shows, as it is seen from here", again, limits, shorten)
    _print_section(terminal, "what kubeadm does not show", more, limits, shorten)
    _print_what_stops(terminal, rows)
    _print_not_read(terminal, found.not_read)
    _print_end(terminal, found, rows, troubles, shorten)


def _print_heading(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    troubles: Sequence[Trouble],
    shorten: _Shorten,
) -> None:
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    terminal.wrapped(f"{at}, reading only, by kubevouch {__version__}", "looked  ")
    if troubles:
        trouble = troubles[0]
        terminal.wrapped(
            f"{trouble.word.lower()}: {_shortened(trouble.text(found.at), rows, shorten)}",
            "first   ",
            _colour(trouble),
        )
    elif first := first_to_end(rows):
        terminal.wrapped(_first_text(first, shorten), "first   ", Colour.GOOD)


def _shortened(text: str, rows: Sequence[CertificateRow], shorten: _Shorten) -> str:
    for name in {row.found.node for row in rows if row.found.node}:
        text = text.replace(name, shorten(name)) if shorten(name) != name else text
    return text


def _first_text(row: CertificateRow, shorten: _Shorten) -> str:
    certificate = row.found.certificate
    assert certificate is not None
    assert row.remaining is not None
    place = shorten(row.found.node) or row.found.where
    when = expires_text(certificate.not_after)
    return f"{row.found.use} of {place} ends in {duration_text(row.remaining)}, {when}"


def _print_kubeadms(
    terminal: Terminal, found: FoundCertificates, on_disk: Sequence[CertificateRow]
) -> None:
    by_node = sorted(on_disk, key=lambda row: row.found.node)
    for node, rows in groupby(by_node, key=lambda row: row.found.node):
        where = f" on {node}" if node else ""
        terminal.out(f"\nas `kubeadm certs check-expiration` shows it{where}")
        for line in kubeadm_tables(rows, found.at):
            terminal.out(line.rstrip())


def _print_section(
    terminal: Terminal,
    heading: str,
    rows: Sequence[CertificateRow],
    limits: Limits,
    shorten: _Shorten,
) -> None:
    lines: list[tuple[str, ...]] = []
    shown = Counter((row.found.use, row.found.node) for row in rows)
    for each in summed_up(rows, limits):
        if isinstance(each, UseSummary):
            lines.append(_summary_cells(each))
            usual = lines[-1][-1]
            lines.extend(_outlier_cells(outlier, usual, shorten) for outlier in each.outliers)
        else:
            is_alone = shown[each.found.use, each.found.node] == 1
            lines.append(_cells(each, _place(each, shorten, is_alone=is_alone)))
    if lines:
        terminal.out(f"\n{heading}")
        _print_fitting(terminal, lines)


def _print_fitting(terminal: Terminal, lines: Sequence[Sequence[str]]) -> None:
    """As many columns as the terminal is wide enough for. Which ones are left out is said."""
    table = [_COLUMNS, *lines]
    width = terminal.columns(terminal.stdout)
    left_out = next((each for each in _LEFT_OUT if _fits(table, each, width)), _LEFT_OUT[-1])
    columns, *narrow = _without(table, left_out)
    terminal.table(columns, narrow)
    if left_out:
        terminal.wrapped(f"(left out, the terminal is too narrow: {', '.join(left_out)})")


def _without(table: Sequence[Sequence[str]], left_out: Sequence[str]) -> list[list[str]]:
    kept = [each for each in range(len(_COLUMNS)) if _COLUMNS[each] not in left_out]
    return [[line[each] for each in kept] for line in table]


def _fits(table: Sequence[Sequence[str]], left_out: Sequence[str], width: int | None) -> bool:
    """Whether the terminal is wide enough. A long place is folded: no column has to go for it."""
    return fits([[cell[:_PLACE] for cell in line] for line in _without(table, left_out)], width)


def _place(row: CertificateRow, shorten: _Shorten, *, is_alone: bool) -> str:
    node, where = shorten(row.found.node), row.found.where
    return (node if is_alone else f"{node} {where}") if node else where


def _cells(row: CertificateRow, place: str) -> tuple[str, ...]:
    """In kubeadm's form; what is not there says so in place of its end."""
    certificate = row.found.certificate
    ends = expires_text(certificate.not_after) if certificate else f"!{row.state.upper()}!"
    left = residual_time(row)
    return row.found.use, place, ends, left, signed_by(row), row.renewed_by


def _summary_cells(each: UseSummary) -> tuple[str, ...]:
    states = ", ".join(f"{count} {word}" for word, count in each.states)
    renewed = each.first.renewed_by if each.first else ""
    ends, left = "", ""
    if each.first and each.first.found.certificate:
        ends = f"first {expires_text(each.first.found.certificate.not_after)}"
        left = residual_time(each.first)
    authority = each.authorities[0] if each.authorities else ""
    return each.use, f"{each.count}: {states}", ends, left, authority, renewed


def _outlier_cells(outlier: Outlier, usual: str, shorten: _Shorten) -> tuple[str, ...]:
    """usual: who renews the others, which is not said again."""
    row = outlier.row
    more = f" and {outlier.more} more" if outlier.more else ""
    place = shorten(row.found.node) or row.found.where
    first, *rest, renewed = _cells(row, f"{place}{more}: {outlier.why}")
    return f"  {first}", *rest, "" if renewed == usual else renewed


def print_wide(terminal: Terminal, rows: Sequence[CertificateRow], limits: Limits) -> None:
    """A line for each, with all that is known of it."""
    terminal.table(
        (
            *_COLUMNS[:1],
            "NODE",
            *_COLUMNS[1:4],
            "LIFE USED",
            "STATE",
            *_COLUMNS[4:],
            "ISSUER",
            "SHA-256",
            "NAMES",
        ),
        [_wide_cells(row, limits) for row in rows],
    )


def _wide_cells(row: CertificateRow, limits: Limits) -> tuple[str, ...]:
    use, where, ends, left, authority, renewed = _cells(row, row.found.where)
    certificate = row.found.certificate
    used = "" if row.used is None else f"{row.used:.0%}"
    state = state_word(row, limits)
    own = ("", "", "")
    if certificate:
        names = [*certificate.dns_names, *map(str, certificate.ip_addresses)]
        own = (str(certificate.issuer), certificate.fingerprint, ",".join(names))
    return use, row.found.node, where, ends, left, used, state, authority, renewed, *own


def _print_what_stops(terminal: Terminal, rows: Sequence[CertificateRow]) -> None:
    """A line for each use, what ends first before the others."""
    seen: dict[CertificateUse, CertificateRow] = {}
    # Those without an end come first: they stand for a use only where no other does.
    for row in sorted(rows, key=lambda row: row.remaining is None):
        if row.state is not RowState.MISSING:
            seen.setdefault(row.found.use, row)
    if not seen:
        return
    terminal.out("\nwhat stops when it ends")
    lines = [(use, _when(row), row.stops) for use, row in seen.items()]
    terminal.table(("CERTIFICATE", "FIRST ENDS", "WHAT STOPS"), lines)


def _when(row: CertificateRow) -> str:
    if row.remaining is None:
        return "not known"
    left = row.remaining
    is_over = left.total_seconds() < 0
    return f"{duration_text(-left)} ago" if is_over else f"in {duration_text(left)}"


def _print_not_read(terminal: Terminal, not_read: Sequence[NotRead]) -> None:
    if not_read:
        terminal.out("\nnot read")
    for each in not_read[:_MOST_NOT_READ]:
        is_failure = each.doubt.kind is not DoubtKind.NOT_ASKED
        terminal.wrapped(
            f"{each.what}: {each.doubt.text}", "  ", Colour.WARNING if is_failure else None
        )
    more = len(not_read) - _MOST_NOT_READ
    if more > 0:
        terminal.out(f"  and {more} more (-o json has all)")


def _colour(trouble: Trouble) -> Colour:
    return Colour.BAD if trouble.concern is Concern.FAIL else Colour.WARNING


def _print_end(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    troubles: Sequence[Trouble],
    shorten: _Shorten,
) -> None:
    terminal.out()
    said = ""
    for trouble in troubles[:_MOST_TROUBLES]:
        text = _shortened(trouble.text(found.at), rows, shorten)
        terminal.wrapped(text, f"{trouble.word:<{_LEAD}}", _colour(trouble))
        if (stops := trouble.rows[0].stops) != said:
            terminal.wrapped(stops, f"{'STOPS':<{_LEAD}}")
        said = stops
    if len(troubles) > _MOST_TROUBLES:
        terminal.out(
            f"{'':{_LEAD}}and {len(troubles) - _MOST_TROUBLES} more kinds (-o short has all)"
        )
    doubted = [row for row in rows if row.state is RowState.VALID and row.remarks]
    if doubted:
        text = _shortened(f"{doubted[0].found.use} of {places_of(doubted)}", rows, shorten)
        terminal.wrapped(
            f"{text}: {doubted[0].remarks[0]}", f"{'BESIDES':<{_LEAD}}", Colour.WARNING
        )
    if troubles:
        _print_advice(terminal, troubles[0], shorten)
        return
    if first := first_to_end(rows):
        terminal.wrapped(_first_text(first, shorten), f"{'FIRST':<{_LEAD}}")
        terminal.wrapped(first.stops, f"{'STOPS':<{_LEAD}}")
    if any(each.doubt.kind is not DoubtKind.NOT_ASKED for each in found.not_read):
        text = "what could not be read may have ended; of the rest, nothing has or will soon"
        terminal.wrapped(text, f"{'UNKNOWN':<{_LEAD}}", Colour.WARNING)
        terminal.command(f"{'NEXT':<{_LEAD}}", "kubevouch doctor")
    elif doubted:
        terminal.command(f"{'NEXT':<{_LEAD}}", "kubevouch doctor")
    else:
        text = "nothing that was read has ended or is near its end"
        terminal.wrapped(text, f"{'OK':<{_LEAD}}", Colour.GOOD)


def _print_advice(terminal: Terminal, trouble: Trouble, shorten: _Shorten) -> None:
    advice = advice_of(trouble.rows[0])
    if advice.command:
        terminal.command(f"{'NEXT':<{_LEAD}}", shlex.join(advice.command))
    if advice.by_hand:
        lead = "BY HAND" if advice.command else "NEXT"
        terminal.wrapped(_shortened(advice.by_hand, trouble.rows, shorten), f"{lead:<{_LEAD}}")
