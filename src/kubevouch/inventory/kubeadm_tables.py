"""The two tables of `kubeadm certs check-expiration`, with kubeadm's own columns, words and widths.

Sources: certTextPrinter in cmd/kubeadm/app/cmd/certs.go of 1.36.3, Go's text/tabwriter,
HumanDuration in apimachinery's pkg/util/duration/duration.go.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.purpose import PURPOSES, SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import CertificateRow

_MANAGED = "EXTERNALLY MANAGED"
LEAF_COLUMNS = ("CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", _MANAGED)
AUTHORITY_COLUMNS = ("CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", _MANAGED)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NARROWEST, _GAP = 10, 3

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY
_LONGEST = (2**63 - 1) // 10**9
"""The longest Go duration in seconds; time.Until returns at most this."""
# The seconds up to which a unit applies, and its smaller unit, which is omitted if zero.
_UNITS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def is_in_kubeadms_tables(row: CertificateRow) -> bool:
    """Whether kubeadm lists this certificate, and it was read from a disk."""
    return _is_kubeadms_file(row.found)


def _is_kubeadms_file(found: FoundCertificate) -> bool:
    return found.vantage is Vantage.NODE_DISK and found.use in SHOWN_BY_KUBEADM


def unseen_of_kubeadm(certificates: Iterable[FoundCertificate]) -> tuple[str, ...]:
    """Names of the unread files that kubeadm would show, unless we found their certificates elsewhere.

    Empty if any of kubeadm's files was read.
    """
    listed = list(certificates)
    if any(map(_is_kubeadms_file, listed)):
        return ()
    seen = {each.use for each in listed}
    return tuple(sorted(use.value for use in SHOWN_BY_KUBEADM - seen))


class DiskTables(NamedTuple):
    """The cells of kubeadm's two tables for one node. A table that kubeadm omits has no rows."""

    node: str
    leaves: Sequence[tuple[str, ...]]
    authorities: Sequence[tuple[str, ...]]


def disk_tables(rows: Iterable[CertificateRow]) -> Iterator[DiskTables]:
    """Both tables for each node that has a row in one of them."""
    nodes: dict[str, list[CertificateRow]] = {}
    for row in filter(is_in_kubeadms_tables, rows):
        nodes.setdefault(row.found.node, []).append(row)
    for node in sorted(nodes):
        found = _one_per_use(nodes[node])
        cas = [_cells(each) for each in found if PURPOSES[each.found.use].is_ca]
        leaves = [_cells(each) for each in found if not PURPOSES[each.found.use].is_ca]
        yield DiskTables(node, leaves, [(*each[:3], each[4]) for each in cas])


def kubeadm_lines(tables: DiskTables) -> tuple[str, ...]:
    """Both tables, byte for byte as kubeadm prints them, without its introduction.

    kubeadm marks a missing file with `!MISSING!`, but fails at an unreadable file. Here the row of
    an unreadable file starts with `!UNREADABLE!`, or with `!NOT READ!` if access is denied.
    """
    both = ((LEAF_COLUMNS, tables.leaves), (AUTHORITY_COLUMNS, tables.authorities))
    found = [_table(headings, rows) for headings, rows in both if rows]
    return tuple(line for table in found for line in ("", *table))[1:]


def human_duration(seconds: int) -> str:
    """A duration like kubectl's and kubeadm's: `98s`, `2m50s`, `7d4h`, `364d`, `9y`; `<invalid>` below -1 second."""
    if seconds < 0:
        return "0s" if seconds == -1 else "<invalid>"
    for below, unit, letter, smaller, smaller_letter in _UNITS:
        if seconds < below:
            rest = seconds % unit // smaller if smaller else 0
            return f"{seconds // unit}{letter}" + (f"{rest}{smaller_letter}" if rest else "")
    return f"{seconds // _YEAR}y"


def _one_per_use(rows: Iterable[CertificateRow]) -> list[CertificateRow]:
    """One row for each use, sorted by name.

    If a file has several certificates, kubeadm shows the first. Its row has the longest chain: the
    whole file.
    """
    found: dict[CertificateUse, CertificateRow] = {}
    for each in rows:
        held = found.get(each.found.use)
        if held is None or len(each.found.chain) > len(held.found.chain):
            found[each.found.use] = each
    return sorted(found.values(), key=lambda each: each.found.use.value)


def _cells(row: CertificateRow) -> tuple[str, ...]:
    """The cells: name, expiry, residual time, CA, externally managed. Only the name if there is no certificate."""
    certificate = row.found.certificate
    if certificate is None:
        return f"!{absent_word(row)}! {row.found.use}", "", "", "", ""
    ends = expires_text(certificate.not_after)
    return row.found.use.value, ends, residual_time(row), row.found.ca, managed_elsewhere(row)


def absent_word(row: CertificateRow) -> str:
    """The word that replaces a certificate in the table: MISSING, UNREADABLE or NOT READ."""
    return row.state.upper().replace("-", " ")


def managed_elsewhere(row: CertificateRow) -> str:
    """The cell under EXTERNALLY MANAGED: yes, no, or not known."""
    words = {True: "yes", False: "no", None: "not known"}
    return words[row.found.externally_managed]


def expires_text(moment: datetime) -> str:
    """A time in kubeadm's form: `Nov 24, 2027 21:10 UTC`."""
    ends = moment.astimezone(UTC)
    return f"{_MONTHS[ends.month - 1]} {ends:%d}, {ends.year:04} {ends:%H:%M} UTC"


def residual_time(row: CertificateRow) -> str:
    """A row's residual time in kubeadm's form; empty if there is no certificate."""
    if row.remaining is None:
        return ""
    # int() truncates towards zero like Go's division.
    return human_duration(max(-_LONGEST, min(_LONGEST, int(row.remaining.total_seconds()))))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Formats a table like Go's tabwriter. The last cell of a line does not widen its column; kubeadm pads it to 8."""
    lines = [headings, *((*row[:-1], row[-1] and f"{row[-1]:8}") for row in rows)]
    widths = [
        max(_NARROWEST, *(len(line[at]) + _GAP for line in lines))
        for at in range(len(headings) - 1)
    ]
    return [
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)) + line[-1]
        for line in lines
    ]
