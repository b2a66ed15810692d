"""What aggregated APIs, webhooks and conversions serve, where the pods behind their Services can be reached from here."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from kubevouch.evidence.certificates import FoundPart, NotRead, RenewedBy
from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.certificates.bundles import Callee
from kubevouch.evidence.gather.certificates.places import Place
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    ENDPOINT_SLICES,
    SERVICES,
    EndpointSlice,
    Service,
    ServiceReference,
    slices_of,
)
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import Certificate, CertificateKind

_KINDS: Final = frozenset({CertificateKind.COMPONENT_SELF_SIGNED})
_MOST_SERVICES: Final = 100
_MOST_ADDRESSES: Final = 10


async def backend_places(
    api: ApiClient, inquiry: Inquiry, callees: Iterable[Callee], ca: tuple[Certificate, ...]
) -> tuple[tuple[Place, ...], FoundPart]:
    """Where to dial, and what cannot be. ca: the cluster's."""
    by_service: dict[ServiceReference, list[Callee]] = {}
    places: list[Place] = []
    not_read: list[NotRead] = []
    for each in callees:
        service = each.calls.service
        if service is not None:
            by_service.setdefault(service, []).append(each)
            continue
        try:
            target = _of_url(each.calls.url)
        except ValueError as error:
            text = f"its URL names nothing that can be dialled: {error}"
            not_read.append(NotRead(_what(each), Doubt(DoubtKind.FAILED, text)))
            continue
        if target is not None:
            places.append(_place(each, target, ca))
    asked = list(by_service.items())[:_MOST_SERVICES]
    answers = await together(*(_addresses(api, inquiry, service) for service, _ in asked))
    not_read += [
        NotRead(_what(callee), Doubt(DoubtKind.NOT_ASKED, f"more than {_MOST_SERVICES} Services"))
        for _, called in list(by_service.items())[_MOST_SERVICES:]
        for callee in called
    ]
    for (service, called), (targets, doubt) in zip(asked, answers, strict=True):
        for callee in called:
            places += [_place(callee, each, ca) for each in targets[:_MOST_ADDRESSES]]
            if doubt is not None:
                not_read.append(NotRead(_what(callee), doubt))
            elif len(targets) > _MOST_ADDRESSES:
                text = f"{len(targets) - _MOST_ADDRESSES} of the {len(targets)} endpoints of Service {_named(service)}"
                text = f"not dialled: {text}"
                not_read.append(NotRead(_what(callee), Doubt(DoubtKind.NOT_ASKED, text)))
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


def _of_url(url: str) -> Target | None:
    """Raises ValueError: the API server takes what Go's net/url takes, such as a port of 99999."""
    parts = urlsplit(url)
    host = parts.hostname
    return Target(host, port=parts.port or 443) if parts.scheme == "https" and host else None


async def _addresses(
    api: ApiClient, inquiry: Inquiry, reference: ServiceReference
) -> tuple[tuple[Target, ...], Doubt | None]:
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
        return (), _nothing(
            f"Service {_named(reference)} has no endpoint for port {reference.port}"
        )
    return found, None


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
