"""What no kubelet may be called: read from what operators and controllers write, whatever they wrote."""

import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.names import gather_names, gather_policy_evidence
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.names import kubeadm_names, with_more
from kubevouch.evidence.serving import preferred_types, scraped_address, targets
from kubevouch.evidence.snapshot import flag_value
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import ConfigMap, Node
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kube.resources.nodes import NodeAddress, NodeStatus
from kubevouch_lab.apiserver import status
from tests.support.apiservers import MOMENT, client_of
from tests.support.bombs import ALIASES
from tests.support.clocks import WoundClock
from tests.support.scenario import Expected, Request, Scenario
from tests.support.scripted import faults
from tests.support.scripted.kinds import KINDS
from tests.support.stage import Stage, staged

CONFIG_MAPS = KINDS["", "v1", "configmaps"]
PODS = KINDS["", "v1", "pods"]
CLUSTER_CIDR = "--cluster-cidr=10.244.0.0/16"
LOAD_BALANCER = {
    "kind": "Service",
    "metadata": {"name": "lb", "namespace": "web"},
    "spec": {"clusterIP": "10.96.3.4", "externalIPs": ["198.51.100.7"]},
    "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}, {"hostname": "lb.example.com"}]}},
}  # fmt: skip
SCENARIO = Scenario(
    title="names",
    add=(LOAD_BALANCER,),
    requests=(Request(node="k8s-worker-2", age="9m"), Request(node="k8s-worker-1", age="1m")),
    expected=Expected(finds=(), exit=0),
)


@contextlib.asynccontextmanager
async def seen(scenario: Scenario = SCENARIO) -> AsyncIterator[tuple[Stage, ApiClient, Inquiry]]:
    clock = WoundClock(MOMENT)
    async with staged(scenario, clock) as stage, client_of(stage.access, clock) as api:
        yield stage, api, Inquiry(clock)


def running(node: str, component: str, flag: str) -> dict[str, Any]:
    """A pod of the control plane, as kubeadm labels it."""
    return {
        "metadata": {"name": f"{component}-0", "labels": {"component": component}},
        "spec": {
            "nodeName": f"{node}.internal.example.com",
            "containers": [{"name": component, "command": [component, flag]}],
        },
    }


async def test_services_endpoints_and_kubeadm_tell_the_clusters_own_names() -> None:
    async with seen() as (_, api, inquiry):
        names = await gather_names(api, inquiry)
    assert set(names.own_endpoints) == {"127.0.88.111"}
    assert names.load_balancers == dict.fromkeys(
        ("203.0.113.9", "lb.example.com"), "Service web/lb"
    )
    assert names.external == {"198.51.100.7": "Service web/lb"}
    assert set(names.virtual) >= {
        "127.0.0.1",
        "10.96.3.4",
        "10.96.0.1",
        "10.96.234.196",
    }
    assert names.service_networks == (ip_network("10.96.0.0/12"),)
    assert names.domains == ("cluster.local",)
    assert names.services["kubernetes.default"] == "Service default/kubernetes"
    assert names.services["metrics-server.kube-system"] == "Service kube-system/metrics-server"
    assert names.doubts == ()


async def test_without_kubeadm_flags_and_the_joiners_configuration_tell() -> None:
    async with seen() as (stage, api, inquiry):
        stage.server.store.delete(CONFIG_MAPS, "kubeadm-config", "kube-system")
        stage.server.store.create(
            PODS, running("k8s-master", "kube-controller-manager", CLUSTER_CIDR), "kube-system"
        )
        names = await gather_names(api, inquiry)
    assert names.service_networks == (ip_network("10.96.0.0/12"),)
    assert names.pod_networks == (ip_network("10.244.0.0/16"),)
    assert names.domains == ("cluster.local",)
    assert names.doubts == ()


@pytest.mark.parametrize(
    ("component", "flag"),
    [
        ("kube-apiserver", "--service-cluster-ip-range"),
        ("kube-controller-manager", "--cluster-cidr"),
    ],
)
async def test_a_pod_that_a_worker_calls_an_api_server_tells_no_network(
    component: str, flag: str
) -> None:
    """A node may create mirror pods of its own with any labels (NodeRestriction): else it could reserve every address there is."""
    forged = running("k8s-worker-1", component, f"{flag}=0.0.0.0/0,::/0")
    async with seen() as (stage, api, inquiry):
        stage.server.store.create(PODS, forged, "kube-system")
        names = await gather_names(api, inquiry)
    assert names.service_networks == (ip_network("10.96.0.0/12"),)
    assert names.pod_networks == (ip_network("10.244.0.0/16"),)


async def test_where_nothing_tells_networks_and_domain_the_operator_may() -> None:
    async with seen() as (stage, api, inquiry):
        for name in ("kubeadm-config", "kubelet-config"):
            stage.server.store.delete(CONFIG_MAPS, name, "kube-system")
        refusal = status.forbidden("", "pods", "", "no")
        stage.server.faults.on("/api/v1/namespaces/kube-system/pods", faults.refuse(refusal))
        names = await gather_names(api, inquiry)
    assert (names.service_networks, names.pod_networks, names.domains) == ((), (), ())
    told = with_more(
        names,
        domains=["Corp.Internal.", "", "corp.internal"],
        service_networks=[ip_network("10.3.0.0/16")],
        pod_networks=[ip_network("10.4.0.0/16")],
    )
    assert told.pod_networks == (ip_network("10.4.0.0/16"),)
    assert told.domains == ("corp.internal",)
    assert told.service_networks == (ip_network("10.3.0.0/16"),)


async def test_a_cluster_configuration_that_cannot_be_read_is_a_doubt() -> None:
    async with seen() as (stage, api, inquiry):
        broken = {"metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
                  "data": {"ClusterConfiguration": "networking: ["}}  # fmt: skip
        stage.server.store.put(CONFIG_MAPS, broken)
        names = await gather_names(api, inquiry)
    assert [each.text.partition(":")[0] for each in names.doubts] == ["ConfigMap kubeadm-config"]


async def test_what_could_not_be_read_is_named_and_the_rest_is_there() -> None:
    async with seen() as (stage, api, inquiry):
        refusal = status.forbidden("", "services", "", "no")
        stage.server.faults.on("/api/v1/services", faults.refuse(refusal))
        names = await gather_names(api, inquiry)
    assert [each.lacking for each in names.doubts] == [("list services",)]
    assert "127.0.88.111" in names.own_endpoints


async def test_the_registry_has_nodes_requests_by_age_and_names() -> None:
    async with seen() as (_, api, inquiry):
        policy_evidence = await gather_policy_evidence(api, inquiry)
    assert [each.name for each in policy_evidence.csrs.or_else(())] == ["csr-1", "csr-2"]
    names = {each.name for each in policy_evidence.nodes.or_else(())}
    assert "k8s-worker-1.internal.example.com" in names
    assert "k8s-worker-9.internal.example.com" not in names
    assert policy_evidence.names.virtual


def kubeadm(text: str) -> Measured[ConfigMap]:
    return Measured(Vantage.API_SERVER, MOMENT, ConfigMap(data={"ClusterConfiguration": text}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "controlPlaneEndpoint: 'api.example.com:6443'\nnetworking: {serviceSubnet: '10.96.0.0/12,fd00::/108', dnsDomain: k8s.example.org}",
            ((ip_network("10.96.0.0/12"), ip_network("fd00::/108")), "k8s.example.org", "api.example.com"),
        ),
        ("controlPlaneEndpoint: '[fd00::1]:6443'", ((), "", "fd00::1")),
        ("controlPlaneEndpoint: '[fd00::1'", ((), "", "")),
        ("networking: {serviceSubnet: 10.96.0.0/99, dnsDomain: 5}", ((), "", "")),
        ("networking: [1]", ((), "", "")),
        ("networking: 2001-99-99", ((), "", "")),
        (ALIASES + "networking: {serviceSubnet: *i, dnsDomain: *i}", ((), "", "")),
        ("", ((), "", "")),
    ],
    ids=["all", "IPv6", "half a bracket", "no network", "a list", "no date", "a bomb of aliases", "empty"],
)  # fmt: skip
def test_kubeadms_configuration_is_read_as_far_as_it_is_one(
    text: str, expected: tuple[object, str, str]
) -> None:
    said = kubeadm_names(kubeadm(text))
    assert (said.service_networks, said.domain, next(iter(said.endpoints), "")) == expected


def test_the_api_servers_other_names_and_a_network_written_by_its_host_count() -> None:
    """Go's net.ParseCIDR takes 10.96.0.1/12 for 10.96.0.0/12."""
    said = kubeadm_names(
        kubeadm(
            "apiServer: {certSANs: [10.0.0.250, api.example.com, 7]}\n"
            "controlPlaneEndpoint: vip.example.com:6443\nnetworking: {serviceSubnet: 10.96.0.1/12}"
        )
    )
    assert set(said.endpoints) == {"10.0.0.250", "api.example.com", "7", "vip.example.com"}
    assert said.service_networks == (ip_network("10.96.0.0/12"),)


@given(st.text() | st.text("controlPlaneEndpoint: networking{}[]&*<>\n-'\"/0123456789.,"))
def test_any_text_may_stand_there(text: str) -> None:
    kubeadm_names(kubeadm(text))


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        (("--a=1",), "1"),
        (("--a", "1"), "1"),
        (("--a=1", "--a=2"), "2"),
        (("--a", "1", "--a=2"), "2"),
        (("--a",), ""),
        (("--a", "--b"), ""),
        (("--a=",), ""),
        (("--a=b=c",), "b=c"),
        (("--ab=1", "-a=1", "a"), None),
        ((), None),
    ],
)
def test_a_flag_is_read_as_pflag_reads_it(flags: tuple[str, ...], value: str | None) -> None:
    assert flag_value(flags, "a") == value


def test_metrics_server_dials_the_first_type_that_the_node_has() -> None:
    """pkg/utils/address_resolver.go; the orders are those of the manifests and of the code without its flag."""
    node = Node(
        metadata=Metadata(name="n"),
        status=NodeStatus(
            addresses=(
                NodeAddress(type="Hostname", address="n.example.com"),
                NodeAddress(type="InternalIP", address=""),
                NodeAddress(type="InternalIP", address="10.0.0.5"),
                NodeAddress(type="InternalIP", address="10.0.0.6"),
            )
        ),
    )
    order = "--kubelet-preferred-address-types=InternalDNS,InternalIP,Hostname"
    assert scraped_address(node, preferred_types(())) == "10.0.0.5"
    assert scraped_address(node, preferred_types(("--secure-port=10250",))) == "n.example.com"
    assert scraped_address(node, preferred_types((order,))) == "10.0.0.5"
    assert scraped_address(node, ("ExternalIP",)) is None
    assert list(targets([node], ("ExternalIP",))) == []
    [target] = targets([node], ("Hostname",))
    assert (target.address, target.node, target.port) == ("n.example.com", "n", 10250)
