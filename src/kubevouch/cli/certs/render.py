"""How the inventory is shown, and the exit code."""

from kubevouch.cli.common.certificates import certificate_json
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import ExitCode
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.measured import DoubtKind
from kubevouch.inventory.rows import CertificateRow, RowState, rows_of

_COLUMNS = ("CERTIFICATE", "WHERE", "EXPIRES", "RENEWED BY", "STOPS WHEN IT ENDS")


def print_rows(terminal: Terminal, found: FoundCertificates, form: str) -> int:
    """The rows, what was not read, and the exit code."""
    rows = rows_of(found)
    if form == "json":
        print_document(terminal, "kubevouch.certs/1", _as_json(found, rows))
    else:
        terminal.table(_COLUMNS, [_cells(row) for row in rows])
        for each in found.not_read:
            terminal.wrapped(f"{each.what}: {each.doubt.text}", "NOT READ  ")
    return _exit_code(found, rows)


def _exit_code(found: FoundCertificates, rows: tuple[CertificateRow, ...]) -> ExitCode:
    if any(row.state is not RowState.VALID for row in rows):
        return ExitCode.FINDINGS
    if any(each.doubt.kind is not DoubtKind.NOT_ASKED for each in found.not_read):
        return ExitCode.COULD_NOT_TELL
    return ExitCode.OK


def _cells(row: CertificateRow) -> tuple[str, ...]:
    found, certificate = row.found, row.found.certificate
    ends = f"{certificate.not_after:%b %d, %Y %H:%M} UTC" if certificate else str(row.state)
    name = f"{found.use} {found.node}".rstrip()
    return name, found.where, ends, str(row.renewed_by), row.stops


def _as_json(found: FoundCertificates, rows: tuple[CertificateRow, ...]) -> dict[str, object]:
    return {
        "at": found.at,
        "certificates": [_row_json(row) for row in rows],
        "notRead": [
            {"what": each.what, "node": each.node, "why": each.doubt.text, "kind": each.doubt.kind}
            for each in found.not_read
        ],
    }


def _row_json(row: CertificateRow) -> dict[str, object]:
    found = row.found
    return {
        "use": found.use,
        "node": found.node,
        "where": found.where,
        "vantage": found.vantage,
        "at": found.at,
        "state": row.state,
        "residualSeconds": None if row.remaining is None else int(row.remaining.total_seconds()),
        "lifeUsed": None if row.used is None else round(row.used, 4),
        "authority": found.ca,
        "externallyManaged": found.externally_managed,
        "renewedBy": row.renewed_by,
        "stops": row.stops,
        "remarks": row.remarks,
        "certificate": certificate_json(found.certificate) if found.certificate else None,
        "chain": [each.fingerprint for each in found.chain],
    }
