"""The caBundles and serving certificates of aggregated APIs and webhooks, which the API server calls."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.gather.certificates.places import Place, dial_places
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    API_SERVICES,
    ENDPOINT_SLICES,
    SERVICES,
    APIService,
    EndpointSlice,
    Resource,
    Service,
    slices_of,
)
from kubevouch.kube.resources.network import (
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    ClientConfig,
    ServiceReference,
    WebhookConfiguration,
)
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import Certificate, X509Error, read_certificates

_METRICS_GROUP: Final = "metrics.k8s.io"
_MOST_SERVICES: Final = 100
_MOST_ADDRESSES: Final = 10


@dataclass(frozen=True, slots=True)
class Callee:
    """A server that the API server calls, and how the API server verifies it.

    where: the object as printed, such as `apiservice v1beta1.metrics.k8s.io`. use: what the served
    certificate is for. verifies: False if the API server accepts any certificate.
    """

    where: str
    use: CertificateUse
    calls: ClientConfig
    verifies: bool = True

    def bundle(self) -> tuple[Certificate, ...]:
        """The CAs in the caBundle. Raises X509Error.

        If the bundle is empty, the API server uses the CAs of its host.
        """
        data = self.calls.ca_bundle
        return read_certificates(data, f"{self.where}, caBundle") if data else ()

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The CAs with which the API server verifies this server; empty if none, or if unknown."""
        try:
            return self.bundle() if self.verifies else ()
        except X509Error:
            return ()


def callees_of_api_services(kind: str, services: Iterable[APIService]) -> Iterator[Callee]:
    """One Callee for each APIService that refers to a Service.

    kind: the word printed before each name, such as `apiservice`.
    """
    for each in services:
        spec = each.spec
        if spec.service is not None:
            is_metrics = spec.group == _METRICS_GROUP
            use = CertificateUse.METRICS_SERVER if is_metrics else CertificateUse.WEBHOOK
            calls = ClientConfig(service=spec.service, ca_bundle=spec.ca_bundle)
            yield Callee(f"{kind} {each.name}", use, calls, not spec.insecure_skip_tls_verify)


def callees_of_webhooks(
    kind: str, configurations: Iterable[WebhookConfiguration]
) -> Iterator[Callee]:
    """One Callee for each distinct server and caBundle of a configuration.

    A configuration often has many webhooks that call the same Service.
    """
    for each in configurations:
        calls = {_same(webhook.client_config): webhook.client_config for webhook in each.webhooks}
        for config in calls.values():
            yield Callee(f"{kind} {each.name}", CertificateUse.WEBHOOK, config)


def _same(config: ClientConfig) -> tuple[object, ...]:
    """The parts of a ClientConfig that matter for verification: server and bundle, not the path."""
    service = config.service
    place = (service.namespace, service.name, service.port) if service else config.url
    return place, config.ca_bundle


def certificates_of_bundles(
    callees: Iterable[Callee], listed: Measured[Any]
) -> Iterator[FoundCertificate]:
    """The certificates in all caBundles, and a fault for each unreadable caBundle."""
    for each in {(each.where, each.calls.ca_bundle): each for each in callees}.values():
        chains: list[tuple[Certificate, ...]]
        try:
            chains, fault = [(certificate,) for certificate in each.bundle()], ""
        except X509Error as error:
            chains, fault = [()], str(error)
        for chain in chains:
            yield FoundCertificate(
                CertificateUse.CA_BUNDLE,
                each.where,
                listed.vantage,
                listed.at,
                chain=chain,
                fault=fault,
            )


_Targets = tuple[tuple[Target, ...], Doubt | None]
"""Addresses to dial, and why the list may be incomplete."""


async def backend_places(
    api: ApiClient, inquiry: Inquiry, callees: Sequence[Callee], ca: tuple[Certificate, ...]
) -> list[Place | NotRead]:
    """The servers to dial, and the servers that cannot be dialled. ca: the cluster's CA."""
    services = dict.fromkeys(each.calls.service for each in callees if each.calls.service)
    asked = tuple(services)[:_MOST_SERVICES]
    answers = await together(*(_addresses(api, inquiry, service) for service in asked))
    by_service: dict[ServiceReference, _Targets] = dict(zip(asked, answers, strict=True))
    too_many = (), _nothing(f"we dial at most {_MOST_SERVICES} Services")
    places: list[Place | NotRead] = []
    for each in callees:
        service, what = each.calls.service, f"the serving certificate of {each.where}"
        targets, doubt = by_service.get(service, too_many) if service else _of_url(each.calls.url)
        places += [
            Place(
                use=each.use,
                target=target,
                what=f"{what} at {target}",
                about=each.where,
                roots=each.roots,
                ca=ca,
            )
            for target in targets
        ]
        places += [NotRead(what, doubt)] if doubt else []
    return places


def _of_url(url: str) -> _Targets:
    """The address in a URL. The API server accepts any URL that Go's net/url accepts, even with port 99999."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError as error:
        text = f"the URL has no address to dial: {error}"
        return (), Doubt(DoubtKind.FAILED, text)
    return ((Target(host, port=port),) if parts.scheme == "https" and host else ()), None


async def _addresses(api: ApiClient, inquiry: Inquiry, reference: ServiceReference) -> _Targets:
    """The endpoints behind a Service's port, with the DNS name that the API server verifies."""
    service: Measured[Service]
    slices: Measured[tuple[EndpointSlice, ...]]
    service, slices = await together(
        inquiry.ask(api.get(SERVICES, reference.name, reference.namespace)),
        inquiry.ask(
            api.list_all(
                ENDPOINT_SLICES,
                reference.namespace,
                label_selector=slices_of(reference.name),
            )
        ),
    )
    named = f"{reference.namespace}/{reference.name}"
    if doubt := service.doubt or slices.doubt:
        return (), doubt
    if service.value is None:
        return (), _nothing(f"Service {named} does not exist")
    name = f"{reference.name}.{reference.namespace}.svc"
    ports = {each.name for each in service.value.spec.ports if each.port == reference.port}
    found = tuple(dict.fromkeys(_targets(slices.or_else(()), ports, name)))
    if not found:
        return (), _nothing(f"Service {named} has no endpoint for port {reference.port}")
    more = len(found) - _MOST_ADDRESSES
    text = f"not dialled: {more} of the {len(found)} endpoints of Service {named}"
    return found[:_MOST_ADDRESSES], _nothing(text) if more > 0 else None


def _nothing(text: str) -> Doubt:
    return Doubt(DoubtKind.NOT_ASKED, text)


def _targets(slices: Iterable[EndpointSlice], ports: set[str], name: str) -> Iterator[Target]:
    """The endpoints, including unready ones: a bad certificate may be why they are unready.

    Terminating endpoints are dialled only if there are no others.
    """
    found = [
        (endpoint, port.port)
        for each in slices
        for port in each.ports
        if port.name in ports and port.port
        for endpoint in each.endpoints
    ]
    staying = [each for each in found if not each[0].conditions.terminating]
    for endpoint, port in staying or found:
        for address in endpoint.addresses:
            yield Target(address, port=port, server_name=name)


_CALLERS: Final[tuple[tuple[Resource[Any], Callable[[str, Any], Iterator[Callee]]], ...]] = (
    (API_SERVICES, callees_of_api_services),
    (VALIDATING_WEBHOOKS, callees_of_webhooks),
    (MUTATING_WEBHOOKS, callees_of_webhooks),
)


async def gather_called(
    api: ApiClient, inquiry: Inquiry, ca: tuple[Certificate, ...], *, clock: Clock, timeout: float
) -> FoundPart:
    """The caBundles and serving certificates of the servers that the API server calls."""
    lists: list[Measured[Any]] = await together(
        *(inquiry.ask(api.list_all(resource)) for resource, _ in _CALLERS)
    )
    bundles: list[FoundCertificate] = []
    not_listed: list[NotRead] = []
    called: list[Callee] = []
    for (resource, callees_of), listed in zip(_CALLERS, lists, strict=True):
        callees = tuple(callees_of(resource.kind.lower(), listed.or_else(())))
        if listed.doubt is not None:
            not_listed.append(NotRead(f"caBundles of {resource.kind}s", listed.doubt))
        bundles += certificates_of_bundles(callees, listed)
        called += callees
    places = await backend_places(api, inquiry, called, ca)
    served = await dial_places((*not_listed, *places), clock=clock, timeout=timeout)
    return FoundPart.of((FoundPart(tuple(bundles)), served))
