"""The inventory in Prometheus' text format, for the textfile collector of node_exporter."""

from collections.abc import Sequence
from dataclasses import replace

from kubevouch.cli.common.terminal import one_line
from kubevouch.inventory.metrics import page_of
from kubevouch.inventory.rows import CertificateRow


def exposition(rows: Sequence[CertificateRow]) -> str:
    """The page that the exporter serves. Signs of a path that cannot be printed are escaped: a label is UTF-8."""
    return "".join(page_of(_printable(row) for row in rows))


def _printable(row: CertificateRow) -> CertificateRow:
    node, where = one_line(row.found.node), one_line(row.found.where)
    return replace(row, found=replace(row.found, node=node, where=where))
