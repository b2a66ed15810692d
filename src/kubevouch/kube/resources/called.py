"""What the API server calls out to, and by which authority it verifies it: webhooks, and conversions of CRDs."""

from kubevouch.kube.resources.meta import Narrow, Object, Resource
from kubevouch.kube.resources.network import ServiceReference


class ClientConfig(Narrow, frozen=True, kw_only=True):
    """Where the API server calls: a URL or a Service. ca_bundle: PEM; empty means the authorities of its machine."""

    url: str = ""
    service: ServiceReference | None = None
    ca_bundle: bytes = b""


class Webhook(Narrow, frozen=True, kw_only=True):
    """A webhook of a configuration."""

    name: str = ""
    client_config: ClientConfig = ClientConfig()


class WebhookConfiguration(Object, frozen=True, kw_only=True):
    """A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration."""

    webhooks: tuple[Webhook, ...] = ()


class _WebhookConversion(Narrow, frozen=True, kw_only=True):
    client_config: ClientConfig | None = None


class _Conversion(Narrow, frozen=True, kw_only=True):
    webhook: _WebhookConversion | None = None


class _CrdSpec(Narrow, frozen=True, kw_only=True):
    conversion: _Conversion | None = None


class CustomResourceDefinition(Object, frozen=True, kw_only=True):
    """A CustomResourceDefinition: who converts between its versions. Its schemas are not kept."""

    spec: _CrdSpec = _CrdSpec()

    @property
    def converter(self) -> ClientConfig | None:
        """The webhook that converts; None if no webhook does."""
        conversion = self.spec.conversion
        return conversion.webhook.client_config if conversion and conversion.webhook else None


_ADMISSION = "admissionregistration.k8s.io"

VALIDATING_WEBHOOKS = Resource(
    _ADMISSION,
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    WebhookConfiguration,
)
MUTATING_WEBHOOKS = Resource(
    _ADMISSION,
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    WebhookConfiguration,
)
CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    CustomResourceDefinition,
)
