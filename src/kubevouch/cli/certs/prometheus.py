"""The inventory in Prometheus' text format, for the textfile collector of node_exporter."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from kubevouch.cli.common.terminal import one_line
from kubevouch.inventory.metrics import page_of
from kubevouch.inventory.rows import CertificateRow

_VALUE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


def exposition(rows: Sequence[CertificateRow], redaction: Callable[[str], str]) -> str:
    """The page that the exporter serves. Signs of a path that cannot be printed are escaped: a label is UTF-8."""
    text = "".join(page_of(map(_printable, rows)))
    return _VALUE.sub(lambda found: f'"{redaction(found[1])}"', text)


def _printable(row: CertificateRow) -> CertificateRow:
    found = row.found
    return replace(
        row, found=replace(found, node=one_line(found.node), where=one_line(found.where))
    )
