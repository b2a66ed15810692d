"""Reads all of a cluster's certificates, what can be read at the same time at the same time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundCertificates, FoundPart
from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.certificates.api_servers import api_server_places
from kubevouch.evidence.gather.certificates.authorities import (
    AUTHENTICATION,
    client_authorities,
    cluster_authorities,
)
from kubevouch.evidence.gather.certificates.backends import backend_places
from kubevouch.evidence.gather.certificates.bundles import (
    Callee,
    callees_of_api_services,
    callees_of_conversions,
    callees_of_webhooks,
    certificates_of_bundles,
    unlisted,
)
from kubevouch.evidence.gather.certificates.etcd import ETCD_AND_API_SERVERS, etcd_places
from kubevouch.evidence.gather.certificates.issued import (
    IssuedByCsr,
    certificates_of_csrs,
    issued_by_csr,
)
from kubevouch.evidence.gather.certificates.kubelets import kubelets_serving
from kubevouch.evidence.gather.certificates.own_kubeconfig import certificate_in_use
from kubevouch.evidence.gather.certificates.places import dial_places
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    API_SERVICES,
    CONFIG_MAPS,
    CRDS,
    CSRS,
    ENDPOINT_SLICES,
    MUTATING_WEBHOOKS,
    NODES,
    PODS,
    VALIDATING_WEBHOOKS,
    APIService,
    CertificateSigningRequest,
    ConfigMap,
    CustomResourceDefinition,
    EndpointSlice,
    Node,
    Pod,
    WebhookConfiguration,
    slices_of,
)
from kubevouch.x509 import Certificate


@dataclass(frozen=True, slots=True)
class BesideKubelets:
    """What was read beside the kubelets' ports. issued: what each kubelet got by CSRs."""

    part: FoundPart
    issued: IssuedByCsr


async def gather_certificates(
    api: ApiClient,
    *,
    clock: Clock,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
    listed: Callable[[Measured[tuple[Node, ...]]], None] = lambda _: None,
) -> FoundCertificates:
    """Every certificate that can be seen from here. timeout: seconds for one handshake. progress: as of `gather`.

    clock: by which certificates are judged; the API server's, since this machine's may be hours wrong.

    listed: called with the nodes once they are known.

    Raises:
        KubeError: the API server does not answer, or does not accept our credential, so that there is no evidence.
    """
    inquiry = Inquiry(clock)
    nodes: Measured[tuple[Node, ...]]
    trust: Measured[TrustedRoots]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    nodes, trust, csrs = await together(
        inquiry.ask(api.list_all(NODES)),
        gather_trust(api, inquiry),
        inquiry.ask(api.list_all(CSRS)),
    )
    listed(nodes)
    # Not before an answer: until then a clock that follows the API server's is this machine's.
    at = clock.now()
    served: tuple[Served, ...]
    beside: BesideKubelets

    async def kubelets() -> tuple[Served, ...]:
        answered = await gather_served(
            targets(nodes.or_else(()), ADDRESS_TYPES_OF_MANIFESTS),
            trust.value,
            clock=clock,
            timeout=timeout,
            progress=progress,
        )
        progress("waits for API servers, etcd and webhooks to answer, and for lists")
        return answered

    served, beside = await together(
        kubelets(),
        gather_beside_kubelets(api, inquiry, nodes, trust, csrs, clock=clock, timeout=timeout),
    )
    progress("")
    return all_found(at, nodes, trust, served, beside)


def all_found(
    at: datetime,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    served: tuple[Served, ...],
    beside: BesideKubelets,
) -> FoundCertificates:
    """The inventory of what was read: the CA, the kubelets that were dialled, and `gather_beside_kubelets`."""
    kubelets = kubelets_serving(nodes, served, trust.value, beside.issued)
    whole = FoundPart.of((cluster_authorities(trust), kubelets, beside.part))
    return FoundCertificates(at, whole.found, whole.not_read)


async def gather_beside_kubelets(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: Measured[tuple[Node, ...]],
    trust: Measured[TrustedRoots],
    csrs: Measured[tuple[CertificateSigningRequest, ...]],
    *,
    clock: Clock,
    timeout: float,
) -> BesideKubelets:
    """What is read while the kubelets are dialled: everything besides what `doctor` has anyway.

    csrs: of every signer.
    """
    ca = trust.value.certificates if trust.value else ()
    known = nodes.or_else(())
    parts: list[FoundPart] = await together(
        _control_plane(api, inquiry, known, ca, clock=clock, timeout=timeout),
        _called(api, inquiry, ca, clock=clock, timeout=timeout),
    )
    issued = issued_by_csr(csrs.or_else(()), {each.name for each in known})
    return BesideKubelets(
        FoundPart.of((certificates_of_csrs(csrs, issued, known, ca), *parts)),
        issued,
    )


async def _control_plane(
    api: ApiClient,
    inquiry: Inquiry,
    nodes: tuple[Node, ...],
    ca: tuple[Certificate, ...],
    *,
    clock: Clock,
    timeout: float,
) -> FoundPart:
    """API servers and etcd as they serve, by whom clients are known, and what we ourselves are known by."""
    told: Measured[ConfigMap]
    slices: Measured[tuple[EndpointSlice, ...]]
    pods: Measured[tuple[Pod, ...]]
    told, slices, pods = await together(
        inquiry.ask(api.get(CONFIG_MAPS, AUTHENTICATION, "kube-system")),
        inquiry.ask(
            api.list_all(ENDPOINT_SLICES, "default", label_selector=slices_of("kubernetes"))
        ),
        inquiry.ask(api.list_all(PODS, "kube-system", label_selector=ETCD_AND_API_SERVERS)),
    )
    authorities, clients = client_authorities(told, ca)
    servers, no_servers = api_server_places(slices, nodes, api.access, ca)
    members, no_members = etcd_places(pods, nodes)
    return FoundPart.of(
        (
            authorities,
            certificate_in_use(api.access.user, clients, ca, clock.now()),
            no_servers,
            no_members,
            await dial_places((*servers, *members), clock=clock, timeout=timeout),
        )
    )


async def _called(
    api: ApiClient, inquiry: Inquiry, ca: tuple[Certificate, ...], *, clock: Clock, timeout: float
) -> FoundPart:
    """The bundles of what the API server calls, and what is served there."""
    services: Measured[tuple[APIService, ...]]
    validating: Measured[tuple[WebhookConfiguration, ...]]
    mutating: Measured[tuple[WebhookConfiguration, ...]]
    definitions: Measured[tuple[CustomResourceDefinition, ...]]
    services, validating, mutating, definitions = await together(
        *(
            inquiry.ask(api.list_all(each))
            for each in (API_SERVICES, VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS, CRDS)
        )
    )
    groups: tuple[tuple[str, Measured[Any], tuple[Callee, ...]], ...] = (
        ("APIServices", services, tuple(callees_of_api_services(services.or_else(())))),
        (
            "ValidatingWebhookConfigurations",
            validating,
            tuple(callees_of_webhooks("validatingwebhookconfiguration", validating.or_else(()))),
        ),
        (
            "MutatingWebhookConfigurations",
            mutating,
            tuple(callees_of_webhooks("mutatingwebhookconfiguration", mutating.or_else(()))),
        ),
        (
            "CustomResourceDefinitions",
            definitions,
            tuple(callees_of_conversions(definitions.or_else(()))),
        ),
    )
    places, not_dialled = await backend_places(
        api, inquiry, (each for _, _, callees in groups for each in callees), ca
    )
    return FoundPart.of(
        (
            *(unlisted(f"caBundles of {what}", listed) for what, listed, _ in groups),
            *(certificates_of_bundles(callees, listed) for _, listed, callees in groups),
            not_dialled,
            await dial_places(places, clock=clock, timeout=timeout),
        )
    )
