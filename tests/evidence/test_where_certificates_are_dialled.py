"""Where API servers, etcd, and what the API server calls are dialled: by whose word, and by which name they are verified."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest

from kubevouch.evidence.certificates import CertificateUse, NotRead
from kubevouch.evidence.gather.certificates.called import (
    callees_of_api_services,
    callees_of_webhooks,
    certificates_of_bundles,
)
from kubevouch.evidence.gather.certificates.control_plane import api_server_places, etcd_places
from kubevouch.evidence.gather.certificates.places import Place
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.kubeconfig import User
from kubevouch.kube.resources import APIService, Container, EndpointSlice, Metadata, Node, Pod
from kubevouch.kube.resources.network import (
    APIServiceSpec,
    ClientConfig,
    Endpoint,
    ServicePort,
    ServiceReference,
    Webhook,
    WebhookConfiguration,
)
from kubevouch.kube.resources.nodes import NodeAddress, NodeStatus
from kubevouch.kube.resources.pods import PodSpec
from kubevouch.kubelet.dial_result import Target
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
AUTHORITY, OTHER = Authority("kubernetes"), Authority("another")
CA = read_certificates(AUTHORITY.pem, "ca")
LISTED: Measured[object] = Measured(Vantage.API_SERVER, AT)
ACCESS = ClusterAccess(
    context="c",
    where="contexts[c]",
    cluster="clusters[c]",
    server="https://balancer.example.com:6443",
    user=User(where="users[u]"),
    namespace="default",
    roots=OTHER.pem,
)
CONTROL_PLANE = Node(
    metadata=Metadata(name="cp", labels={"node-role.kubernetes.io/control-plane": ""}),
    status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address="10.0.0.1"),)),
)
WORKER = Node(metadata=Metadata(name="worker"))


def _slices(*addresses: str) -> Measured[tuple[EndpointSlice, ...]]:
    endpoints = tuple(Endpoint(addresses=(each,)) for each in addresses)
    found = EndpointSlice(endpoints=endpoints, ports=(ServicePort(name="https", port=6443),))
    return Measured(Vantage.API_SERVER, AT, (found,))


def _split(seen: Iterable[Place | NotRead]) -> tuple[list[Place], list[NotRead]]:
    """What is dialled, and what cannot be."""
    listed = list(seen)
    places = [each for each in listed if isinstance(each, Place)]
    return places, [each for each in listed if isinstance(each, NotRead)]


def _api_servers(
    *addresses: str, nodes: tuple[Node, ...] = (), access: ClusterAccess = ACCESS
) -> tuple[list[Place], list[NotRead]]:
    return _split(api_server_places(_slices(*addresses), nodes, access, CA))


def test_every_api_server_is_dialled_and_the_load_balancer_besides() -> None:
    places, told = _api_servers("10.0.0.1", "10.0.0.2", nodes=(CONTROL_PLANE,))
    assert [each.target for each in places] == [
        Target("10.0.0.1", node="cp", port=6443),
        Target("10.0.0.2", port=6443),
        Target("balancer.example.com", port=6443),
    ]
    by_ca, _, by_balancer = (each.roots for each in places)
    assert by_ca == CA
    assert by_balancer == read_certificates(OTHER.pem, "other")
    assert told == []


@pytest.mark.parametrize(
    ("change", "roots"),
    [
        ({"roots": None}, 0),
        ({"verify": False}, 0),
        ({"roots": b"no PEM"}, 0),
        ({"server_name": "kubernetes"}, 1),
    ],
    ids=["the machine's", "nobody", "broken", "by another name"],
)
def test_behind_the_balancer_that_is_trusted_what_the_kubeconfig_trusts(
    change: dict[str, object], roots: int
) -> None:
    access = msgspec.structs.replace(ACCESS, **change)
    [place], _ = _api_servers(access=access)
    assert len(place.roots) == roots
    assert place.target.server_name == access.server_name


def test_a_worker_that_claims_a_control_planes_address_is_not_the_api_servers_node() -> None:
    liar = msgspec.structs.replace(WORKER, status=CONTROL_PLANE.status)
    places, _ = _api_servers("10.0.0.1", nodes=(CONTROL_PLANE, liar))
    assert places[0].target.node == "cp"


def test_an_endpoint_is_not_dialled_twice() -> None:
    access = msgspec.structs.replace(ACCESS, server="https://10.0.0.1:6443")
    places, _ = _api_servers("10.0.0.1", access=access)
    assert len(places) == 1


def test_a_server_behind_a_proxy_is_told_and_one_without_tls_has_nothing_to_show() -> None:
    behind = msgspec.structs.replace(ACCESS, proxy="http://proxy:3128")
    places, told = _api_servers(access=behind)
    assert places == []
    assert [each.is_ordinary for each in told] == [True]
    plain = msgspec.structs.replace(ACCESS, server="http://127.0.0.1:8001")
    assert _api_servers(access=plain) == ([], [])


def test_that_the_endpoints_cannot_be_listed_is_told() -> None:
    doubt = Doubt(DoubtKind.NOT_ALLOWED, "no")
    unread: Measured[tuple[EndpointSlice, ...]] = Measured(Vantage.API_SERVER, AT, doubt=doubt)
    places, told = _split(api_server_places(unread, (), ACCESS, CA))
    assert [each.target.address for each in places] == ["balancer.example.com"]
    assert [each.doubt for each in told] == [doubt]


def _pod(component: str, *flags: str, node: str = "cp") -> Pod:
    return Pod(
        metadata=Metadata(name=component, labels={"component": component}),
        spec=PodSpec(node_name=node, containers=(Container(command=(component, *flags)),)),
    )


def _members(*pods: Pod) -> tuple[list[Place], list[NotRead]]:
    listed = Measured(Vantage.API_SERVER, AT, pods)
    return _split(etcd_places(listed, (CONTROL_PLANE, WORKER)))


def _dialled(*pods: Pod) -> list[tuple[CertificateUse, str, str]]:
    places, _ = _members(*pods)
    assert all(each.named and not each.roots for each in places)
    return [(each.use, str(each.target), each.target.node) for each in places]


def test_etcd_is_dialled_for_clients_and_for_peers_where_it_says() -> None:
    flags = (
        "--advertise-client-urls=https://10.0.0.1:2379",
        "--initial-advertise-peer-urls=https://10.0.0.1:2380",
        "--listen-metrics-urls=http://127.0.0.1:2381",
    )
    api_server = _pod(
        "kube-apiserver", "--etcd-servers=https://127.0.0.1:2379,https://10.0.0.1:2379"
    )
    assert _dialled(api_server, _pod("etcd", *flags)) == [
        (CertificateUse.ETCD_SERVER, "10.0.0.1:2379", "cp"),
        (CertificateUse.ETCD_PEER, "10.0.0.1:2380", "cp"),
    ]


def test_etcd_outside_of_the_cluster_is_told_by_the_api_servers_flag() -> None:
    pod = _pod("kube-apiserver", "--etcd-servers=https://[fd00::7]:2379,http://10.0.0.8:2379")
    assert _dialled(pod) == [(CertificateUse.ETCD_SERVER, "[fd00::7]:2379", "")]


@pytest.mark.parametrize(
    "pod",
    [
        _pod("etcd", "--advertise-client-urls=https://10.9.9.9:2379", node="worker"),
        _pod("etcd", "--advertise-client-urls=http://10.0.0.1:2379"),
        _pod("etcd", "--advertise-client-urls=https://[::1:2379,https://h:none"),
        _pod("kube-apiserver", "--etcd-servers=https://127.0.0.1:2379"),
    ],
    ids=["a worker's word", "without TLS", "no URL", "the node's own loopback"],
)
def test_nothing_is_dialled_and_that_is_told_as_no_failure(pod: Pod) -> None:
    places, told = _members(pod)
    assert places == []
    assert [each.is_ordinary for each in told] == [True]


def test_etcds_pods_that_cannot_be_listed_are_a_failure() -> None:
    doubt = Doubt(DoubtKind.NOT_ALLOWED, "no")
    _, told = _split(etcd_places(Measured(Vantage.API_SERVER, AT, doubt=doubt), ()))
    assert [each.is_ordinary for each in told] == [False]


def _service(name: str = "s") -> ServiceReference:
    return ServiceReference(namespace="space", name=name)


def _api_service(name: str, **spec: object) -> APIService:
    return APIService(metadata=Metadata(name=name), spec=APIServiceSpec(**spec))  # type: ignore[arg-type]


def test_an_api_that_the_api_server_serves_itself_is_nobody_elses() -> None:
    own = _api_service("v1.", group="", version="v1")
    metrics = _api_service("v1beta1.metrics.k8s.io", group="metrics.k8s.io", service=_service())
    other = _api_service("v1.example.com", group="example.com", service=_service())
    found = callees_of_api_services("apiservice", (own, metrics, other))
    assert [(each.where, each.use) for each in found] == [
        ("apiservice v1beta1.metrics.k8s.io", CertificateUse.METRICS_SERVER),
        ("apiservice v1.example.com", CertificateUse.WEBHOOK),
    ]


def test_without_verification_no_authority_counts() -> None:
    def roots(**spec: object) -> int:
        [found] = callees_of_api_services("", (_api_service("a", service=_service(), **spec),))
        return len(found.roots)

    assert roots(ca_bundle=AUTHORITY.pem) == 1
    assert roots() == 0
    assert roots(ca_bundle=b"broken") == 0
    assert roots(ca_bundle=AUTHORITY.pem, insecure_skip_tls_verify=True) == 0


def _hook(service: str, bundle: bytes) -> Webhook:
    return Webhook(client_config=ClientConfig(service=_service(service), ca_bundle=bundle))


def test_webhooks_of_a_configuration_that_are_called_alike_are_one() -> None:
    hooks = (_hook("s", AUTHORITY.pem), _hook("s", AUTHORITY.pem), _hook("t", AUTHORITY.pem))
    configuration = WebhookConfiguration(metadata=Metadata(name="hooks"), webhooks=hooks)
    found = tuple(callees_of_webhooks("hook", (configuration,)))
    assert [each.calls.service.name for each in found if each.calls.service] == ["s", "t"]
    # Their bundle is the same one.
    [row] = certificates_of_bundles(found, LISTED)
    assert (row.use, row.where) == (CertificateUse.CA_BUNDLE, "hook hooks")


def test_every_certificate_of_a_bundle_has_a_row_and_a_broken_bundle_a_fault() -> None:
    whole = _api_service("whole", service=_service(), ca_bundle=AUTHORITY.pem + OTHER.pem)
    broken = _api_service("broken", service=_service(), ca_bundle=AUTHORITY.pem[:200])
    none = _api_service("none", service=_service())
    callees = callees_of_api_services("api", (whole, broken, none))
    found = list(certificates_of_bundles(callees, LISTED))
    assert [(each.where, bool(each.chain)) for each in found] == [
        ("api whole", True),
        ("api whole", True),
        ("api broken", False),
    ]
    assert found[-1].fault.startswith("api broken, caBundle: ")
