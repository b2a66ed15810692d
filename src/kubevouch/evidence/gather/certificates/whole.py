"""Reads all of a cluster's certificates at the same time."""

from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates, FoundPart
from kubevouch.evidence.gather.certificates.authorities import cluster_authorities
from kubevouch.evidence.gather.certificates.kubelets import kubelets_serving
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
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
    served: tuple[Served, ...]
    others: FoundPart
    served, others = await together(
        gather_served(
            targets(nodes.or_else(()), ADDRESS_TYPES_OF_MANIFESTS),
            trust.value,
            clock=clock,
            timeout=timeout,
            progress=progress,
        ),
        gather_beside_kubelets(api, inquiry, nodes, trust, clock=clock, timeout=timeout),
    )
    return all_found(at, nodes, trust, served, others)


def all_found(
    at: datetime,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    served: tuple[Served, ...],
    others: FoundPart,
) -> FoundCertificates:
    """The inventory of what was read: the CA, the kubelets that were dialled, and `gather_beside_kubelets`."""
    parts = (cluster_authorities(trust), kubelets_serving(nodes, served), others)
    return FoundCertificates(
        at,
        found=tuple(each for part in parts for each in part.found),
        not_read=tuple(each for part in parts for each in part.not_read),
    )


async def gather_beside_kubelets(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    *,
    clock: Clock,
    timeout: float,
) -> FoundPart:
    """What is read while the kubelets are dialled: everything besides them and the CA, which `doctor` has anyway."""
    del api, inquiry, nodes, trust, clock, timeout
    return FoundPart()
