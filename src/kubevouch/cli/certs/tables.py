"""Prints the certificate inventory as text: kubeadm's tables, other certificates, what will stop, the next action."""

from collections import Counter
from collections.abc import Callable, Sequence

from kubevouch import __version__
from kubevouch.cli.common.diagnosis import shortener
from kubevouch.cli.common.legend import CERTIFICATES, WIDE
from kubevouch.cli.common.terminal import Colour, Terminal
from kubevouch.diagnose.make import counted
from kubevouch.evidence.certificates import CertificateUse, FoundCertificates
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.advice import Advice
from kubevouch.inventory.ending import Trouble, most_harmful, outlook_of, what_stops
from kubevouch.inventory.fleet import (
    Outlier,
    UseSummary,
    rows_not_read,
    signed_by,
    state_word,
    summed_up,
    unread_of,
)
from kubevouch.inventory.kubeadm_tables import (
    AUTHORITY_COLUMNS,
    LEAF_COLUMNS,
    disk_tables,
    expires_text,
    is_in_kubeadms_tables,
    kubeadm_lines,
    residual_time,
)
from kubevouch.inventory.purpose import SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import CertificateRow, Concern, Limits, RowState
from kubevouch.x509 import duration_text

_COLUMNS = tuple(CERTIFICATES)
_MOST_NOT_READ = 8

Shorten = Callable[[str], str]
"""A function that shortens a node's name for display."""


def print_tables(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    limits: Limits,
    cluster: str = "",
) -> None:
    """Prints the whole inventory. The most important facts and the next action come last."""
    names = [row.found.node for row in rows if row.found.node]
    shorten = shortener(list(dict.fromkeys(names)))
    print_heading(terminal, found, cluster)
    with_unread = (*rows_not_read(found.not_read), *rows)
    _print_kubeadms(terminal, with_unread)
    others = [row for row in with_unread if not is_in_kubeadms_tables(row)]
    again = [row for row in others if row.found.use in SHOWN_BY_KUBEADM]
    more = [row for row in others if row.found.use not in SHOWN_BY_KUBEADM]
    _print_section(
        terminal, "kubeadm's certificates, as seen from this machine", again, limits, shorten
    )
    _print_section(terminal, "certificates that kubeadm does not show", more, limits, shorten)
    _print_what_stops(terminal, with_unread)
    _print_not_read(terminal, found)
    print_end(terminal, found, rows, shorten=shorten, limits=limits)


def _print_kubeadms(terminal: Terminal, rows: Sequence[CertificateRow]) -> None:
    """Prints the rows in kubeadm's layout, wrapped to the terminal's width."""
    width = terminal.columns(terminal.stdout)
    for tables in disk_tables(rows):
        terminal.out()
        # A worker has only a CA: kubeadm itself would report all other files as missing.
        shown = "as in `kubeadm certs check-expiration`" if tables.leaves else "in kubeadm's format"
        terminal.wrapped(f"{shown} on {tables.node}" if tables.node else shown)
        lines = [line.rstrip() for line in kubeadm_lines(tables)]
        if width is None or max(map(len, lines)) <= width:
            for line in lines:
                terminal.out(line)
            continue
        if tables.leaves:
            terminal.table(LEAF_COLUMNS, tables.leaves)
        if tables.authorities:
            terminal.out()
            terminal.table(AUTHORITY_COLUMNS, tables.authorities)


def _print_section(
    terminal: Terminal,
    heading: str,
    rows: Sequence[CertificateRow],
    limits: Limits,
    shorten: Shorten,
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
        terminal.table(_COLUMNS, lines)


def _place(row: CertificateRow, shorten: Shorten, *, is_alone: bool) -> str:
    node, where = shorten(row.found.node), row.found.where
    if (
        node
        and row.found.use is CertificateUse.KUBELET_CLIENT
        and row.found.vantage is Vantage.API_SERVER
    ):
        # This certificate was issued last. The kubelet may use an older one, or may have lost it.
        return f"{node}, by {where}"
    return (node if is_alone else f"{node} {where}") if node else where


def _cells(row: CertificateRow, place: str) -> tuple[str, ...]:
    """The cells of a row in kubeadm's format. Without a certificate, the state replaces the expiry."""
    certificate = row.found.certificate
    absent = row.state if row.state is RowState.MISSING else row.unread
    ends = expires_text(certificate.not_after) if certificate else f"!{absent.upper()}!"
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


def _outlier_cells(outlier: Outlier, usual: str, shorten: Shorten) -> tuple[str, ...]:
    """The cells of a certificate that differs from the other certificates of the same use.

    usual: what renews the other certificates. If it also renews this certificate, the cell RENEWED BY stays empty.
    """
    row = outlier.row
    more = f" and {outlier.more} more" if outlier.more else ""
    place = shorten(row.found.node) or row.found.where
    first, *rest, renewed = _cells(row, f"{place}{more}: {outlier.why}")
    return f"  {first}", *rest, "" if renewed == usual else renewed


def print_wide(terminal: Terminal, rows: Sequence[CertificateRow], limits: Limits) -> None:
    """Prints one line per certificate with all details, without wrapping, like kubectl's `-o wide`."""
    lines = [_wide_cells(row, limits) for row in rows]
    terminal.table((*CERTIFICATES, *WIDE), lines, folds=False)


def _wide_cells(row: CertificateRow, limits: Limits) -> tuple[str, ...]:
    certificate = row.found.certificate
    own = ("", "", "")
    if certificate:
        names = [*certificate.dns_names, *map(str, certificate.ip_addresses)]
        own = (str(certificate.issuer), certificate.fingerprint, ",".join(names))
    more = (row.found.node, row.percent_used, state_word(row, limits), "; ".join(row.remarks))
    return *_cells(row, row.found.where), *more, *own


def _print_what_stops(terminal: Terminal, rows: Sequence[CertificateRow]) -> None:
    """Prints what stops, one line per certificate use: first those with an unread certificate, then by expiry."""
    lines = [(row.found.use, when, row.stops) for row, when in what_stops(rows)]
    if lines:
        terminal.out("\nwhat stops when a certificate expires")
        terminal.table(("CERTIFICATE", "FIRST ENDS", "WHAT STOPS"), lines)


def _print_not_read(terminal: Terminal, found: FoundCertificates) -> None:
    unread = unread_of(found)
    if unread:
        terminal.out("\nnot read")
    for each in unread[:_MOST_NOT_READ]:
        terminal.wrapped(each.text, "  ", Colour.WARNING if each.is_failure else None)
    more = len(unread) - _MOST_NOT_READ
    if more > 0:
        terminal.out(f"  and {more} more (see -o json)")


_MOST_TROUBLES = 4
_LEAD = 12
_WRONG_NOW = frozenset({RowState.WRONG, RowState.SELF_SIGNED})


def print_heading(terminal: Terminal, found: FoundCertificates, cluster: str = "") -> None:
    """Prints the cluster, and the time of the check."""
    if cluster:
        terminal.wrapped(cluster, "cluster ")
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    terminal.wrapped(f"{at}, read-only, by kubevouch {__version__}", "checked ")


def _shortened(text: str, rows: Sequence[CertificateRow], shorten: Shorten) -> str:
    for name in {row.found.node for row in rows if row.found.node}:
        text = text.replace(name, shorten(name)) if shorten(name) != name else text
    return text


def _first_text(row: CertificateRow, shorten: Shorten) -> str:
    certificate = row.found.certificate
    assert certificate is not None
    assert row.remaining is not None
    place = shorten(row.found.node) or row.found.where
    when = expires_text(certificate.not_after)
    return f"{row.found.use} of {place} ends in {duration_text(row.remaining)}, {when}"


def _colour(trouble: Trouble) -> Colour:
    return Colour.BAD if trouble.concern is Concern.FAIL else Colour.WARNING


def print_end(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    *,
    shorten: Shorten,
    limits: Limits,
) -> None:
    """Prints the conclusion: OK, the next command, or what to do by hand."""
    terminal.out()
    outlook = outlook_of(found, rows, limits)
    troubles, first = outlook.troubles, outlook.first
    _print_troubles(terminal, found, rows, troubles, shorten)
    for text in outlook.besides:
        _lead(terminal, "ALSO", _shortened(text, rows, shorten), Colour.WARNING)
    # Otherwise, the problems above include this certificate.
    if first and all(each.rows[0].state in _WRONG_NOW for each in troubles):
        _lead(terminal, "FIRST", _first_text(first, shorten))
        _lead(terminal, "STOPS", first.stops)
    if outlook.unknown:
        _lead(
            terminal,
            "UNKNOWN",
            "some certificates could not be read; they may have expired",
            Colour.WARNING,
        )
    if outlook.advice is not None:
        of = troubles[0].rows if troubles else rows
        _print_advice(terminal, of, outlook.advice, shorten)
    else:
        text = "every certificate that was read is valid, and none expires soon"
        _lead(terminal, "OK", text, Colour.GOOD)


def _print_troubles(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    troubles: Sequence[Trouble],
    shorten: Shorten,
) -> None:
    said = ""
    shown = most_harmful(troubles, _MOST_TROUBLES)
    for trouble in shown:
        text = _shortened(trouble.text(found.at), rows, shorten)
        _lead(terminal, trouble.word, text, _colour(trouble))
        if (stops := trouble.rows[0].stops) != said:
            _lead(terminal, "STOPS", stops)
        said = stops
    if more := len(troubles) - len(shown):
        terminal.out(f"{'':{_LEAD}}and {counted(more, 'more problem')} (see -o short)")


def _lead(terminal: Terminal, word: str, text: str, colour: Colour | None = None) -> None:
    terminal.wrapped(text, f"{word:<{_LEAD}}", colour)


def _print_advice(
    terminal: Terminal, rows: Sequence[CertificateRow], advice: Advice, shorten: Shorten
) -> None:
    if advice.before:
        _lead(terminal, "BEFORE", _shortened(advice.before, rows, shorten))
    if advice.command:
        terminal.command(f"{'NEXT':<{_LEAD}}", advice.command)
    if advice.by_hand:
        lead = "BY HAND" if advice.command else "NEXT"
        terminal.wrapped(_shortened(advice.by_hand, rows, shorten), f"{lead:<{_LEAD}}")
