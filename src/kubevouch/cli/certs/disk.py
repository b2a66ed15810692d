"""Reads certificates from a cluster and, with `--via ssh`, from the disks of its nodes."""

from collections.abc import Callable

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates, FoundPart, NotRead
from kubevouch.evidence.gather.certificates.disks import certificates_over_ssh, with_disks
from kubevouch.evidence.gather.certificates.whole import gather_certificates
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Node
from kubevouch.node.transport import NodeTransport
from kubevouch.rollout.act.look import hosts_of


async def found_in_cluster(
    api: ApiClient,
    timeout: float,
    progress: Callable[[str], None],
    transport: NodeTransport | None,
) -> FoundCertificates:
    """The certificates of a cluster. With a transport, also the certificates on its nodes' disks.

    timeout: seconds per handshake. Raises KubeError.
    """
    # The API server's clock decides what has expired, since a laptop's clock may be wrong.
    clock = api.server_clock
    inquiry = Inquiry(clock)
    nodes = await inquiry.ask(api.list_all(NODES))
    seen = gather_certificates(api, inquiry, nodes, clock=clock, timeout=timeout, progress=progress)
    if transport is None:
        return await seen
    found: FoundCertificates
    disks: FoundPart
    found, disks = await together(seen, _disks(nodes, clock, transport, progress))
    return with_disks(found, disks)


async def _disks(
    nodes: Measured[tuple[Node, ...]],
    clock: Clock,
    transport: NodeTransport,
    progress: Callable[[str], None],
) -> FoundPart:
    if nodes.doubt is not None:
        return FoundPart(not_read=(NotRead("the disks of the nodes", nodes.doubt),))
    hosts = {node.name: hosts_of(node) for node in nodes.or_else(())}
    return await certificates_over_ssh(hosts, transport, clock, progress)
