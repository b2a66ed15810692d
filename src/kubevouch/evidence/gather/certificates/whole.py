"""Reads all certificates of a cluster concurrently."""

from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates, FoundPart
from kubevouch.evidence.gather.certificates.authorities import cluster_authorities
from kubevouch.evidence.gather.certificates.called import gather_called
from kubevouch.evidence.gather.certificates.control_plane import gather_control_plane
from kubevouch.evidence.gather.certificates.kubelets import (
    clients_of_kubelets,
    issued_by_csr,
    kubelets_serving,
)
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest, Node
from kubevouch.x509 import Certificate


async def gather_certificates(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: Measured[tuple[Node, ...]],
    *,
    clock: Clock,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> FoundCertificates:
    """Every certificate that this machine can read.

    inquiry, nodes: the inquiry that read the nodes, and its result. clock: the API server's clock,
    since this machine's clock may be wrong by hours. timeout: seconds for one handshake. progress:
    called with a text about the servers that have not answered yet, and with "" at the end.

    Raises:
        KubeError: the API server does not answer, or rejects our credential.
    """
    trust: Measured[TrustedRoots]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    trust, csrs = await together(gather_trust(api, inquiry), inquiry.ask(api.list_all(CSRS)))
    # Only after an answer: before that, a clock that follows the API server has this machine's time.
    at = clock.now()
    served: tuple[Served, ...]
    beside: FoundPart

    async def kubelets() -> tuple[Served, ...]:
        answered = await gather_served(
            targets(nodes.or_else(()), ADDRESS_TYPES_OF_MANIFESTS),
            trust.value,
            clock=clock,
            timeout=timeout,
            progress=progress,
        )
        progress("waiting for API servers, etcd, aggregated APIs and webhooks")
        return answered

    served, beside = await together(
        kubelets(),
        gather_beside_kubelets(api, inquiry, nodes, trust, clock=clock, timeout=timeout),
    )
    progress("")
    return all_found(at, nodes, trust, csrs, served=served, beside=beside)


def all_found(
    at: datetime,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    csrs: Measured[tuple[CertificateSigningRequest, ...]],
    *,
    served: tuple[Served, ...] | None,
    beside: FoundPart,
) -> FoundCertificates:
    """The certificates of the cluster CA and of kubelets, and those in `beside`.

    csrs: the CSRs for all signers. served: the kubelets' serving certificates; None if the caller
    dials kubelets itself. beside: the result of `gather_beside_kubelets`.
    """
    issued = issued_by_csr(csrs.or_else(()), {each.name for each in nodes.or_else(())})
    clients = clients_of_kubelets(csrs, issued, nodes.or_else(()), _roots_of(trust))
    kubelets = FoundPart()
    if served is not None:
        kubelets = kubelets_serving(nodes, served, trust.value, issued)
    whole = FoundPart.of((cluster_authorities(trust), kubelets, clients, beside))
    return FoundCertificates(at, whole.found, whole.not_read)


def _roots_of(trust: Measured[TrustedRoots]) -> tuple[Certificate, ...]:
    return trust.value.certificates if trust.value else ()


async def gather_beside_kubelets(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    *,
    clock: Clock,
    timeout: float,
) -> FoundPart:
    """All certificates except those of kubelets, of the cluster CA, and on nodes' disks."""
    ca = _roots_of(trust)
    return FoundPart.of(
        await together(
            gather_control_plane(api, inquiry, nodes.or_else(()), ca, clock=clock, timeout=timeout),
            gather_called(api, inquiry, ca, clock=clock, timeout=timeout),
        )
    )
