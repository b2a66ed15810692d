"""The inventory in Prometheus' text format, for the textfile collector of node_exporter."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from kubevouch.cli.common.terminal import one_line
from kubevouch.inventory.metrics import page_of
from kubevouch.inventory.rows import CertificateRow
from kubevouch.serve.series import label

_NODE: Final = re.compile(r'(?<=[{,])node="(?:[^"\\]|\\.)*"')


def exposition(rows: Sequence[CertificateRow], redaction: Callable[[str], str]) -> str:
    """The page that the exporter serves. Signs of a path that cannot be printed are escaped: a label is UTF-8.

    A place is replaced before a long one is cut off, so that nothing is left of the name of a folder; a node last, since its
    certificate is compared with its name, and as it is called, not as that is escaped.
    """
    text = "".join(page_of(_printable(row, redaction) for row in rows))
    nodes = {
        label("node", one_line(name)): label("node", one_line(redaction(name)))
        for name in {row.found.node for row in rows}
    }
    return _NODE.sub(lambda found: nodes[found[0]], text)


def _printable(row: CertificateRow, redaction: Callable[[str], str]) -> CertificateRow:
    node, where = one_line(row.found.node), one_line(redaction(row.found.where))
    return replace(row, found=replace(row.found, node=node, where=where))
