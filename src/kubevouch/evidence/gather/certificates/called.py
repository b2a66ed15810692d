"""What the API server calls: aggregated APIs and webhooks. Their caBundles, and what their pods serve, where they can be reached from here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
    RenewedBy,
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
    Metadata,
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
from kubevouch.x509 import Certificate, CertificateKind, X509Error, read_certificates

METRICS_GROUP: Final = "metrics.k8s.io"
_INJECTED: Final = "cert-manager.io/inject-"
"""cert-manager's cainjector: inject-ca-from, inject-ca-from-secret, inject-apiserver-ca."""


@dataclass(frozen=True, slots=True)
class Callee:
    """What the API server calls, and how it verifies it. where: for a person, as `apiservice v1beta1.metrics.k8s.io`; its kind is put in front by `gather_called`.

    use: of what is served there. verifies: False if it takes any certificate.
    """

    where: str
    use: CertificateUse
    calls: ClientConfig
    by_cert_manager: bool
    verifies: bool = True

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The authorities of its caBundle; empty without one, with a broken one, and if nothing is verified."""
        if not self.verifies or not self.calls.ca_bundle:
            return ()
        try:
            return read_certificates(self.calls.ca_bundle, self.where)
        except X509Error:
            return ()


def callees_of_api_services(services: Iterable[APIService]) -> Iterator[Callee]:
    """Those that another server than the API server itself serves."""
    for each in services:
        spec = each.spec
        if spec.service is not None:
            use = CertificateUse.WEBHOOK
            if spec.group == METRICS_GROUP:
                use = CertificateUse.METRICS_SERVER
            yield Callee(
                each.name,
                use,
                ClientConfig(service=spec.service, ca_bundle=spec.ca_bundle),
                _by_cert_manager(each.metadata),
                verifies=not spec.insecure_skip_tls_verify,
            )


def callees_of_webhooks(configurations: Iterable[WebhookConfiguration]) -> Iterator[Callee]:
    """One for each different call of a configuration, which often has many webhooks at one Service."""
    for each in configurations:
        calls = {_same(webhook.client_config): webhook.client_config for webhook in each.webhooks}
        by_cert_manager = _by_cert_manager(each.metadata)
        for config in calls.values():
            yield Callee(each.name, CertificateUse.WEBHOOK, config, by_cert_manager)


def _same(config: ClientConfig) -> tuple[object, ...]:
    """What two calls have in common that are verified alike: place and bundle, not the path."""
    service = config.service
    place = (service.namespace, service.name, service.port) if service else config.url
    return place, config.ca_bundle


def _by_cert_manager(metadata: Metadata) -> bool:
    return any(each.startswith(_INJECTED) for each in metadata.annotations)


def certificates_of_bundles(callees: Iterable[Callee], listed: Measured[Any]) -> FoundPart:
    """Every certificate of each bundle. An empty bundle means the authorities of the API server's machine."""
    seen = {(each.where, each.calls.ca_bundle): each for each in callees if each.calls.ca_bundle}
    return FoundPart.of(_of_bundle(each, listed) for each in seen.values())


def _of_bundle(callee: Callee, listed: Measured[Any]) -> FoundPart:
    def found(chain: tuple[Certificate, ...] = (), fault: str = "") -> FoundCertificate:
        return FoundCertificate(
            CertificateUse.CA_BUNDLE,
            callee.where,
            listed.vantage,
            listed.at,
            chain=chain,
            fault=fault,
            renewed_by=RenewedBy.CERT_MANAGER if callee.by_cert_manager else None,
        )

    try:
        certificates = read_certificates(callee.calls.ca_bundle, f"{callee.where}, caBundle")
    except X509Error as error:
        return FoundPart((found(fault=str(error)),))
    return FoundPart(tuple(found((each,)) for each in certificates))


_KINDS: Final = frozenset({CertificateKind.COMPONENT_SELF_SIGNED})
_MOST_SERVICES: Final = 100
_MOST_ADDRESSES: Final = 10


_Targets = tuple[tuple[Target, ...], Doubt | None]
"""Where something is served, and why that is not all."""


async def backend_places(
    api: ApiClient, inquiry: Inquiry, callees: Sequence[Callee], ca: tuple[Certificate, ...]
) -> tuple[tuple[Place, ...], FoundPart]:
    """Where to dial, and what cannot be. ca: the cluster's."""
    services = dict.fromkeys(each.calls.service for each in callees if each.calls.service)
    asked = tuple(services)[:_MOST_SERVICES]
    answers = await together(*(_addresses(api, inquiry, service) for service in asked))
    by_service: dict[ServiceReference, _Targets] = dict(zip(asked, answers, strict=True))
    too_many = (), _nothing(f"more than {_MOST_SERVICES} Services")
    places: list[Place] = []
    not_read: list[NotRead] = []
    for each in callees:
        service = each.calls.service
        targets, doubt = by_service.get(service, too_many) if service else _of_url(each.calls.url)
        places += [_place(each, target, ca) for target in targets]
        if doubt is not None:
            not_read.append(NotRead(_what(each), doubt))
    return tuple(places), FoundPart(not_read=tuple(not_read))


def _what(callee: Callee) -> str:
    return f"what {callee.where} serves"


def _named(service: ServiceReference) -> str:
    return f"{service.namespace}/{service.name}"


def _place(callee: Callee, target: Target, ca: tuple[Certificate, ...]) -> Place:
    return Place(
        use=callee.use,
        target=target,
        what=f"{_what(callee)} at {target}",
        about=callee.where,
        roots=callee.roots,
        ca=ca,
        kinds=_KINDS,
        renewed_by=RenewedBy.CERT_MANAGER if callee.by_cert_manager else None,
    )


def _of_url(url: str) -> _Targets:
    """The API server takes what Go's net/url takes, such as a port of 99999."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError as error:
        text = f"its URL names nothing that can be dialled: {error}"
        return (), Doubt(DoubtKind.FAILED, text)
    return ((Target(host, port=port),) if parts.scheme == "https" and host else ()), None


async def _addresses(api: ApiClient, inquiry: Inquiry, reference: ServiceReference) -> _Targets:
    """The endpoints behind a Service's port, by the name at which the API server verifies them."""
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
    if doubt := service.doubt or slices.doubt:
        return (), doubt
    if service.value is None:
        return (), _nothing(f"there is no Service {_named(reference)}")
    name = f"{reference.name}.{reference.namespace}.svc"
    ports = {each.name for each in service.value.spec.ports if each.port == reference.port}
    found = tuple(dict.fromkeys(_targets(slices.or_else(()), ports, name)))
    if not found:
        text = f"Service {_named(reference)} has no endpoint for port {reference.port}"
        return (), _nothing(text)
    more = len(found) - _MOST_ADDRESSES
    text = f"not dialled: {more} of the {len(found)} endpoints of Service {_named(reference)}"
    return found[:_MOST_ADDRESSES], _nothing(text) if more > 0 else None


def _nothing(text: str) -> Doubt:
    return Doubt(DoubtKind.NOT_ASKED, text)


def _targets(slices: Iterable[EndpointSlice], ports: set[str], name: str) -> Iterator[Target]:
    """Also those that are not ready: why they are not may be their certificate. Not those that end, if others are there."""
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


_CALLERS: Final[tuple[tuple[Resource[Any], Callable[[Any], Iterator[Callee]]], ...]] = (
    (API_SERVICES, callees_of_api_services),
    (VALIDATING_WEBHOOKS, callees_of_webhooks),
    (MUTATING_WEBHOOKS, callees_of_webhooks),
)


async def gather_called(
    api: ApiClient, inquiry: Inquiry, ca: tuple[Certificate, ...], *, clock: Clock, timeout: float
) -> FoundPart:
    """The bundles of what the API server calls, and what is served there."""
    parts: list[FoundPart] = []
    called: list[Callee] = []
    lists: list[Measured[Any]] = await together(
        *(inquiry.ask(api.list_all(resource)) for resource, _ in _CALLERS)
    )
    for (resource, callees_of), listed in zip(_CALLERS, lists, strict=True):
        callees = [
            replace(each, where=f"{resource.kind.lower()} {each.where}")
            for each in callees_of(listed.or_else(()))
        ]
        if listed.doubt is not None:
            what = f"caBundles of {resource.kind}s"
            parts.append(FoundPart(not_read=(NotRead(what, listed.doubt),)))
        parts.append(certificates_of_bundles(callees, listed))
        called += callees
    places, not_dialled = await backend_places(api, inquiry, called, ca)
    served = await dial_places(places, clock=clock, timeout=timeout)
    return FoundPart.of((*parts, not_dialled, served))
