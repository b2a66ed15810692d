"""Certificates that were found, for tests: made by trustme, and read as any other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate, FoundCertificates
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.rows import CertificateRow, rows_of
from kubevouch.x509 import Certificate, read_certificates
from tests.support.authority import Authority

AT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = 365 * DAY
AUTHORITIES = {name: Authority(name) for name in ("kubernetes", "other")}


@cache
def chain(
    ends: datetime, life: timedelta = YEAR, authority: str = "kubernetes"
) -> tuple[Certificate, ...]:
    """A certificate of a kubelet that ends then. One key serves for all that end at the same time."""
    pair = AUTHORITIES[authority].serving("n", node="n", not_before=ends - life, not_after=ends)
    return read_certificates(pair.chain, "test")[:1]


def at_node(
    node: str,
    ends: timedelta | None = 100 * DAY,
    *,
    life: timedelta = YEAR,
    authority: str = "kubernetes",
    missing: bool = False,
    **more: Any,
) -> FoundCertificate:
    """What is served at a node, or lies there. ends: from AT on; None where nothing can be read."""
    found = FoundCertificate(
        CertificateUse.KUBELET_SERVING,
        f"{node}:10250",
        Vantage.DIALLED,
        AT,
        node=node,
        chain=() if ends is None else chain(AT + ends, life, authority),
        fault="connection refused" if ends is None and not missing else "",
        missing=missing,
    )
    return replace(found, **more)


def inventory(*found: FoundCertificate) -> FoundCertificates:
    return FoundCertificates(AT, found)


def rows(*found: FoundCertificate) -> tuple[CertificateRow, ...]:
    return rows_of(inventory(*found))
