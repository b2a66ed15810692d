"""The inventory as JSON."""

from collections import Counter

from kubevouch.cli.common.certificates import certificate_json
from kubevouch.evidence.certificates import FoundCertificates, NotRead
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.not_read import all_unread
from kubevouch.inventory.rows import CertificateRow


def inventory_json(
    found: FoundCertificates, rows: tuple[CertificateRow, ...], limits: Limits
) -> dict[str, object]:
    """Stable names; times in RFC 3339. counts: how many rows stand how against the limits."""
    counts = Counter(limits.concern(row) for row in rows)
    return {
        "at": found.at,
        "counts": {each: counts[each] for each in Concern},
        "certificates": [_row_json(row, limits) for row in rows],
        "notRead": [
            _unread_json(each)
            for each in all_unread(found.not_read, rows, asked_disks=found.asked_disks)
        ],
        "notThere": [_unread_json(each) for each in found.not_read if each.is_not_missed],
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
