"""Services, EndpointSlices, and objects that refer to Services: APIServices and webhooks."""

from typing import Final

from msgspec import field

from kubevouch.kube.resources.meta import Condition, Narrow, Object, Resource

_SERVICE_NAME: Final = "kubernetes.io/service-name"


class ServicePort(Narrow, frozen=True, kw_only=True):
    """A port of a Service, or of all endpoints of an EndpointSlice."""

    name: str = ""
    port: int = 0
    protocol: str = "TCP"


class ServiceSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a Service."""

    type: str = ""
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    selector: dict[str, str] = field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()


class Ingress(Narrow, frozen=True, kw_only=True):
    """An address or host name of a load balancer."""

    ip: str = ""
    hostname: str = ""


class LoadBalancer(Narrow, frozen=True, kw_only=True):
    """The addresses of a load balancer."""

    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Service: its load balancer."""

    load_balancer: LoadBalancer = LoadBalancer()


class Service(Object, frozen=True, kw_only=True):
    """A Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The Service's cluster IPs. External IPs and load balancer addresses are not included."""
        own = (self.spec.cluster_ip, *self.spec.cluster_ips)
        return tuple(dict.fromkeys(text for text in own if text and text != "None"))

    @property
    def load_balancer_addresses(self) -> tuple[str, ...]:
        """The load balancer's addresses and host names."""
        ingress = self.status.load_balancer.ingress
        theirs = (text for each in ingress for text in (each.ip, each.hostname))
        return tuple(dict.fromkeys(text for text in theirs if text))


class EndpointConditions(Narrow, frozen=True, kw_only=True):
    """The conditions of an endpoint. None means unknown.

    An endpoint counts as ready if `ready` is unknown (discovery/v1 types.go).
    """

    ready: bool | None = None
    terminating: bool | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the Service routes traffic to this endpoint."""
        return self.ready is not False


class Endpoint(Narrow, frozen=True, kw_only=True):
    """An endpoint of a Service, usually a pod."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    node_name: str = ""


class EndpointSlice(Object, frozen=True, kw_only=True):
    """An EndpointSlice."""

    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[ServicePort, ...] = ()

    @property
    def service(self) -> str:
        """The name of the slice's Service; empty if the slice belongs to no Service."""
        return self.metadata.labels.get(_SERVICE_NAME, "")


class ServiceReference(Narrow, frozen=True, kw_only=True):
    """A reference to a Service."""

    namespace: str = ""
    name: str = ""
    port: int = 443


class APIServiceSpec(Narrow, frozen=True, kw_only=True):
    """The spec of an APIService. If `service` is None, kube-apiserver itself serves the group. ca_bundle: PEM."""

    group: str = ""
    version: str = ""
    service: ServiceReference | None = None
    insecure_skip_tls_verify: bool = field(default=False, name="insecureSkipTLSVerify")
    ca_bundle: bytes = b""


class APIServiceStatus(Narrow, frozen=True, kw_only=True):
    """The status of an APIService. If the API is unavailable, the condition Available says why."""

    conditions: tuple[Condition, ...] = ()


class APIService(Object, frozen=True, kw_only=True):
    """An APIService."""

    spec: APIServiceSpec = APIServiceSpec()
    status: APIServiceStatus = APIServiceStatus()


class ServiceCidrSpec(Narrow, frozen=True, kw_only=True):
    """The networks of a ServiceCIDR: one, or one for each IP family."""

    cidrs: tuple[str, ...] = ()


class ServiceCidr(Object, frozen=True, kw_only=True):
    """A ServiceCIDR: a network for Services' addresses (networking/v1, since Kubernetes 1.33)."""

    spec: ServiceCidrSpec = ServiceCidrSpec()


SERVICES = Resource("", "v1", "services", "Service", Service, namespaced=True)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", EndpointSlice, namespaced=True
)
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", APIService)
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", ServiceCidr)


def slices_of(service: str) -> str:
    """The label selector for the EndpointSlices of a Service."""
    return f"{_SERVICE_NAME}={service}"


class ClientConfig(Narrow, frozen=True, kw_only=True):
    """The URL or Service of a webhook, which the API server calls.

    ca_bundle: PEM; if empty, the API server uses the system's CAs.
    """

    url: str = ""
    service: ServiceReference | None = None
    ca_bundle: bytes = b""


class Webhook(Narrow, frozen=True, kw_only=True):
    """One webhook of a WebhookConfiguration."""

    name: str = ""
    client_config: ClientConfig = ClientConfig()


class WebhookConfiguration(Object, frozen=True, kw_only=True):
    """A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration."""

    webhooks: tuple[Webhook, ...] = ()


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
