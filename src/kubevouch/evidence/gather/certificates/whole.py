"""Reads all of a cluster's certificates at the same time."""

from collections.abc import Callable

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.gather.certificates.authorities import cluster_authorities
from kubevouch.evidence.gather.certificates.kubelets import kubelets_serving
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Node


async def gather_certificates(
    api: ApiClient,
    *,
    clock: Clock,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> FoundCertificates:
    """Every certificate that can be seen from here. timeout: seconds for one handshake. progress: as of `gather`.

    Raises:
        KubeError: the API server does not answer, or does not accept our credential, so that there is no evidence.
    """
    inquiry, at = Inquiry(clock), clock.now()
    nodes: Measured[tuple[Node, ...]]
    trust: Measured[TrustedRoots]
    nodes, trust = await together(inquiry.ask(api.list_all(NODES)), gather_trust(api, inquiry))
    parts = [
        cluster_authorities(trust),
        await kubelets_serving(nodes, trust.value, clock=clock, timeout=timeout, progress=progress),
    ]
    return FoundCertificates(
        at,
        found=tuple(each for part in parts for each in part.found),
        not_read=tuple(each for part in parts for each in part.not_read),
    )
