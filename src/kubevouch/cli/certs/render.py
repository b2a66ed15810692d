"""Prints the certificate inventory, and returns the exit code."""

from collections import Counter
from dataclasses import replace

from kubevouch.cli.certs.tables import print_tables, print_wide
from kubevouch.cli.common.documents import certificate_json, print_document
from kubevouch.cli.common.terminal import Colour, Terminal, one_line
from kubevouch.errors import ExitCode
from kubevouch.evidence.certificates import FoundCertificates, NotRead
from kubevouch.inventory.ending import place_of
from kubevouch.inventory.fleet import all_unread, rows_not_read, state_word, unread_of
from kubevouch.inventory.kubeadm_tables import expires_text, residual_time
from kubevouch.inventory.rows import CertificateRow, Concern, Limits, RowState, rows_of

_COLOURS = {Concern.FAIL: Colour.BAD, Concern.WARN: Colour.WARNING, Concern.NONE: None}


def print_rows(
    terminal: Terminal, found: FoundCertificates, form: str, limits: Limits, *, cluster: str = ""
) -> int:
    """Prints the inventory in the format `form`. Returns the exit code, which is the same for all formats.

    cluster: the name of the cluster, for the heading.
    """
    every = rows_of(found)
    code = _exit_code(found, every, limits)
    rows = tuple(filter(limits.shows, every))
    match form:
        case "json" | "yaml":
            print_document(terminal, "kubevouch.certs/1", _inventory_json(found, rows, limits))
        case "short":
            _print_short(terminal, found, rows, limits)
        case "prometheus":
            from kubevouch.inventory.metrics import exposition_of

            terminal.document("".join(exposition_of(map(_printable, rows))))
        case "html":
            from kubevouch.inventory.html.page import html_of
            from kubevouch.inventory.html.report import report

            page = report(cluster, found, rows, limits, terminal.hint)
            terminal.document(html_of(page, one_line))
        case "wide":
            print_wide(terminal, (*rows, *rows_not_read(found.not_read)), limits)
        case _:
            print_tables(terminal, found, rows, limits, cluster)
    return code


def _exit_code(
    found: FoundCertificates, rows: tuple[CertificateRow, ...], limits: Limits
) -> ExitCode:
    if any(limits.concern(row) is Concern.FAIL for row in rows):
        return ExitCode.FINDINGS
    if not all(each.is_ordinary for each in found.not_read):
        return ExitCode.COULD_NOT_TELL
    return ExitCode.OK


def _print_short(
    terminal: Terminal, found: FoundCertificates, rows: tuple[CertificateRow, ...], limits: Limits
) -> None:
    """Prints failures, warnings and failed reads. This suits cron, which mails output but ignores exit codes."""
    for row in rows:
        if limits.concern(row) is not Concern.NONE:
            _print_short_row(terminal, row, limits)
    for each in unread_of(found):
        if each.is_failure:
            terminal.long_line(f"not read  {each.text}", hang=10)


def _print_short_row(terminal: Terminal, row: CertificateRow, limits: Limits) -> None:
    concern = limits.concern(row)
    certificate = row.found.certificate
    wrong = row.found.fault or (row.remarks[0] if row.state is RowState.WRONG else "")
    why = f": {wrong}" if wrong else ""
    when = f", {expires_text(certificate.not_after)} ({residual_time(row)})" if certificate else ""
    text = f"{concern:<4}  {row.found.use} of {place_of(row)}: {state_word(row, limits)}{why}{when}"
    terminal.long_line(text, hang=6, colour=_COLOURS[concern])


def _printable(row: CertificateRow) -> CertificateRow:
    """Escapes unprintable characters in the row's node and path, since Prometheus labels must be UTF-8."""
    node, where = one_line(row.found.node), one_line(row.found.where)
    return replace(row, found=replace(row.found, node=node, where=where))


def _inventory_json(
    found: FoundCertificates, rows: tuple[CertificateRow, ...], limits: Limits
) -> dict[str, object]:
    """The inventory as JSON. Field names are stable. Times are in RFC 3339.

    `counts` has the number of rows for each concern: failures, warnings, and others.
    """
    counts = Counter(limits.concern(row) for row in rows)
    return {
        "at": found.at,
        "counts": {each: counts[each] for each in Concern},
        "certificates": [_row_json(row, limits) for row in rows],
        "notRead": [_unread_json(each) for each in all_unread(found)],
    }


def _unread_json(each: NotRead) -> dict[str, object]:
    return {"what": each.what, "node": each.node, "why": each.doubt.text, "kind": each.doubt.kind}


def _row_json(row: CertificateRow, limits: Limits) -> dict[str, object]:
    found = row.found
    return {
        "use": found.use,
        "node": found.node,
        "where": found.where,
        "vantage": found.vantage,
        "at": found.at,
        "state": row.state,
        "concern": limits.concern(row),
        "residualSeconds": None if row.remaining is None else int(row.remaining.total_seconds()),
        "lifeUsed": None if row.used is None else round(row.used, 4),
        "authority": found.authority,
        "externallyManaged": found.externally_managed,
        "renewedBy": row.renewed_by,
        "stops": row.stops,
        "remarks": row.remarks,
        "certificate": certificate_json(found.certificate) if found.certificate else None,
        "chain": [each.fingerprint for each in found.chain],
    }
