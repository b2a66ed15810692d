"""Reads the certificates of nodes from their file systems on this machine: a mounted disk, a backup, `/`."""

from collections.abc import Sequence
from pathlib import Path

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates, FoundPart
from kubevouch.evidence.node_certificates import certificates_of_node
from kubevouch.evidence.node_files import NodeFile, NodeFiles, reduced, wanted
from kubevouch.evidence.node_kubelet import node_name_in
from kubevouch.node.io.tree import FileTree
from kubevouch.x509.bundle import LARGEST_FILE

_MOST_ROUNDS = 8
"""A file names the next: environment, configuration, pair. No node has more than four of them in a row."""


def certificates_on_disk(roots: Sequence[Path], clock: Clock) -> FoundCertificates:
    """What lies on the disks of nodes. roots: where each node's `/` is.

    Raises:
        UsageError: one of them is no folder that can be entered.
    """
    at = clock.now()
    parts: list[FoundPart] = []
    names: set[str] = set()
    for root in dict.fromkeys(roots):
        with FileTree(root) as tree:
            files = _read(tree)
        # Two backups of one node are two trees.
        name = node_name_in(files)
        name = str(root) if not name or name in names else name
        names.add(name)
        parts.append(certificates_of_node(files, at, node=name, root=str(root)))
    whole = FoundPart.of(parts)
    return FoundCertificates(at, whole.found, whole.not_read, without_cluster=True)


def _read(tree: FileTree) -> NodeFiles:
    found: dict[str, NodeFile | None] = {}
    for _ in range(_MOST_ROUNDS):
        more = {path: form for path, form in wanted(NodeFiles(found)).items() if path not in found}
        if not more:
            break
        for path, form in more.items():
            file = tree.read(path, LARGEST_FILE)
            found[path] = reduced(file, form) if file else None
    return NodeFiles(found)
