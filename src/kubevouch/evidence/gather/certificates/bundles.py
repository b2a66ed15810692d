"""The caBundles by which the API server verifies what it calls: aggregated APIs, webhooks and conversions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
    RenewedBy,
)
from kubevouch.evidence.measured import Measured
from kubevouch.kube.resources import (
    APIService,
    ClientConfig,
    CustomResourceDefinition,
    Metadata,
    WebhookConfiguration,
)
from kubevouch.x509 import Certificate, X509Error, read_certificates

METRICS_GROUP: Final = "metrics.k8s.io"
_INJECTED: Final = "cert-manager.io/inject-"
"""cert-manager's cainjector: inject-ca-from, inject-ca-from-secret, inject-apiserver-ca."""


@dataclass(frozen=True, slots=True)
class Callee:
    """What the API server calls, and how it verifies it. where: for a person, as `apiservice v1beta1.metrics.k8s.io`.

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
                f"apiservice {each.name}",
                use,
                ClientConfig(service=spec.service, ca_bundle=spec.ca_bundle),
                _by_cert_manager(each.metadata),
                verifies=not spec.insecure_skip_tls_verify,
            )


def callees_of_webhooks(
    kind: str, configurations: Iterable[WebhookConfiguration]
) -> Iterator[Callee]:
    """One for each different call of a configuration, which often has many webhooks at one Service."""
    for each in configurations:
        calls = {_same(webhook.client_config): webhook.client_config for webhook in each.webhooks}
        by_cert_manager = _by_cert_manager(each.metadata)
        for config in calls.values():
            where = f"{kind} {each.name}"
            yield Callee(where, CertificateUse.WEBHOOK, config, by_cert_manager)


def callees_of_conversions(definitions: Iterable[CustomResourceDefinition]) -> Iterator[Callee]:
    """One for each different call, since an operator's definitions are often converted at one Service."""
    together: dict[tuple[object, ...], list[CustomResourceDefinition]] = {}
    for each in definitions:
        if each.converter is not None:
            key = (*_same(each.converter), _by_cert_manager(each.metadata))
            together.setdefault(key, []).append(each)
    for first, *others in together.values():
        assert first.converter is not None
        more = f" and {len(others)} more" if others else ""
        where = f"customresourcedefinition {first.name}{more}"
        by_cert_manager = _by_cert_manager(first.metadata)
        yield Callee(where, CertificateUse.WEBHOOK, first.converter, by_cert_manager)


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


def unlisted(what: str, listed: Measured[Any]) -> FoundPart:
    """That a kind could not be listed; nothing where that kind does not exist."""
    return (
        FoundPart() if listed.doubt is None else FoundPart(not_read=(NotRead(what, listed.doubt),))
    )
