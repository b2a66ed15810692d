"""Reads certificates from nodes' disks: over ssh with a script that outputs no key, or from a local file system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificates,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.gather.certificates.kubelets import NO_CSR
from kubevouch.evidence.gather.inquiry import of_each
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.evidence.node_certificates import certificates_of_node
from kubevouch.evidence.node_files import (
    NodeFile,
    NodeFiles,
    certificate_files,
    files_shown,
    node_name_in,
    reduced,
    wanted,
)
from kubevouch.node.errors import NodeError
from kubevouch.node.io.tree import FileTree
from kubevouch.node.transport import NodeTransport, run_on_first_known
from kubevouch.x509.bundle import LARGEST_FILE

_TIMEOUT: Final = 60.0
_AT_ONCE: Final = 16
"""The maximum number of concurrent ssh sessions. Each needs 40 ms of CPU and an open file. A
bastion often allows only ten unauthenticated sessions."""


async def certificates_over_ssh(
    hosts: Mapping[str, Sequence[str]],
    transport: NodeTransport,
    clock: Clock,
    progress: Callable[[str], None] = lambda _: None,
) -> FoundPart:
    """The certificates on each node's disk. hosts: each node's names and addresses, best first."""
    done = 0

    async def one(node: str) -> FoundPart:
        nonlocal done
        part = await _of_node(node, hosts[node], transport, clock)
        done += 1
        progress(f"read the disks of {done} of {len(hosts)} nodes")
        return part

    return FoundPart.of(await of_each(hosts, one, at_once=_AT_ONCE))


async def _of_node(
    node: str, hosts: Sequence[str], transport: NodeTransport, clock: Clock
) -> FoundPart:
    try:
        host, result = await run_on_first_known(
            node, hosts, certificate_files(), transport, timeout=_TIMEOUT
        )
    except NodeError as error:
        return _unread(node, str(error).removeprefix(f"{node}: "))
    files = files_shown(result.answer)
    named = node_name_in(files)
    if named and named != node:
        return _unread(node, f"{host} is another machine: its Node is {named}")
    return certificates_of_node(files, clock.now(), node=node)


def _unread(node: str, why: str) -> FoundPart:
    doubt = Doubt(DoubtKind.FAILED, why)
    return FoundPart(not_read=(NotRead(f"the disk of {node}", doubt, node),))


def with_disks(found: FoundCertificates, disks: FoundPart) -> FoundCertificates:
    """Adds the certificates on nodes' disks to the cluster's inventory, without duplicates.

    A kubelet's client certificate on disk replaces the certificate from its CSR. The cluster CA on
    a worker's disk is omitted, unless it is faulty or differs from the CAs that the API server
    publishes.
    """
    on_disk = {(each.use, each.node) for each in disks.found}
    known = {each.certificate for each in found.found if each.use is CertificateUse.CLUSTER_CA}
    others = tuple(
        each
        for each in found.found
        if each.use is not CertificateUse.KUBELET_CLIENT or (each.use, each.node) not in on_disk
    )
    control_planes = {each.node for each in disks.found if each.use is CertificateUse.API_SERVER}
    new = tuple(
        each
        for each in disks.found
        if each.use is not CertificateUse.CLUSTER_CA
        or each.node in control_planes
        or each.fault
        or each.certificate not in known
    )
    # NO_CSR advises reading the disk, which was done or is itself listed as not read.
    not_read = tuple(each for each in found.not_read if each.doubt != NO_CSR)
    return replace(
        found,
        found=(*others, *new),
        not_read=not_read + disks.not_read,
        asked_disks=True,
    )


def certificates_on_disk(roots: Sequence[Path], clock: Clock) -> FoundCertificates:
    """The certificates on nodes' disks. roots: for each node, the local folder that holds its file system.

    Raises:
        UsageError: a root is not a readable folder.
    """
    at = clock.now()
    parts: list[FoundPart] = []
    names: set[str] = set()
    for root in dict.fromkeys(roots):
        with FileTree(root) as tree:
            files = _read(tree)
        # Two backups of one node are listed under their folders' names.
        name = node_name_in(files)
        name = str(root) if not name or name in names else name
        names.add(name)
        parts.append(certificates_of_node(files, at, node=name, root=str(root)))
    whole = FoundPart.of(parts)
    return FoundCertificates(at, whole.found, whole.not_read, without_cluster=True)


def _read(tree: FileTree) -> NodeFiles:
    found: dict[str, NodeFile | None] = {}
    for _ in ("the known files", "the files that kubeconfigs refer to"):
        for path, form in wanted(NodeFiles(found)).items():
            if path not in found:
                file = tree.read(path, LARGEST_FILE)
                found[path] = reduced(file, form) if file else None
    return NodeFiles(found)
