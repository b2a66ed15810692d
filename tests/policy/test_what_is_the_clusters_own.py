"""What is reserved: names and addresses of the cluster itself, in every spelling; and where that cannot be told."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import Node
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kube.resources.nodes import NodeSpec
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, Claim, NameSource, OtherNodes
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import reserved_of
from tests.support.cluster_names import cluster_names

CLUSTER = cluster_names(
    own_endpoints={"192.168.88.111": "an API server"},
    virtual={"API.example.com.": "the control plane's endpoint", "10.96.0.10": "Service kube-system/kube-dns"},
    external={"192.168.88.112": "Service web/shop"},
    services={
        "kubernetes.default": "Service default/kubernetes",
        "metrics-server.kube-system": "Service kube-system/metrics-server",
    },
    service_networks=(ip_network("10.96.0.0/12"), ip_network("fd00:96::/112")),
    pod_networks=(ip_network("10.244.0.0/16"),),
    domains=("corp.internal",),
    load_balancers={"192.168.88.240": "Service web/lb", "LB.example.com": "Service web/lb"},
)  # fmt: skip
NODES = (
    Node(metadata=Metadata(name="w2"), spec=NodeSpec(pod_cidrs=("10.7.2.0/24", "fd00:7::/64"))),
)


WEAK = [NameSource.NODE_STATUS, NameSource.LIVE_CERTIFICATE, NameSource.NEW_NODE_RULE]
WRITTEN = [NameSource.OPERATOR, NameSource.PIN, NameSource.INVENTORY]


def held_by(
    *values: str,
    node: str = "w1.example.com",
    cluster: ClusterNames = CLUSTER,
    source: NameSource = NameSource.OPERATOR,
    cp: bool = False,
) -> dict[str, tuple[HoldReason, tuple[str, ...]]]:
    """The rules that hold a node with these names and addresses besides its address; what its operator may allow."""
    names: list[Claim] = []
    addresses = [Claim("192.168.90.1", NameSource.SSH_HOST_KEY)]
    for value in values:
        is_address = value.replace(".", "").isdigit() or ":" in value
        (addresses if is_address else names).append(Claim(value, source))
    allowed = AllowedNames(node, tuple(names), tuple(addresses), control_plane=cp)
    decision = decide_entitlement(allowed, OtherNodes(), reserved_of(cluster, NODES))
    return {each.rule: (each.reason, each.operator_may_allow) for each in decision.held_by}


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "metrics-server.kube-system",
        "metrics-server.kube-system.svc",
        "metrics-server.kube-system.svc.corp.internal",
        "vault.default.svc.corp.internal",
        "vault.default.svc.another.domain",
        "x.metrics-server.kube-system.svc.foo",
        "a.b.vault.default.svc.another.domain",
        "metrics-server-0.metrics-server.kube-system",
        "metrics-server",
        "Metrics-Server.",
        "10-244-0-1.default.pod.corp.internal",
        "corp.internal",
        "x.cluster.local",
        "localhost.localdomain",
        "localhost4.localdomain4",
        "ip6-localhost",
        "x.localhost",
        "api.example.com",
    ],
)
def test_a_name_of_the_cluster_is_held_whatever_the_operator_says(name: str) -> None:
    assert held_by(name)["reserved-names"] == (HoldReason.RESERVED_NAME, ())


@pytest.mark.parametrize(
    "name",
    [
        "w1.default",
        "w1.kube-system.example.com",
        "w1.svc.example.com",
        "w1.other.svc.example.com",
        "default.svc.example.com",
        "svc.example.com",
        "w1.rack.svc.default.example.com",
        "kube-system",
        "metrics-server-2",
        "w1.localdomain",
        "metrics-server.example.com",
    ],
)
def test_a_nodes_name_may_look_a_little_like_one(name: str) -> None:
    assert held_by(name) == {}


@pytest.mark.parametrize(
    ("node", "held"),
    [
        ("metrics-server", False),
        ("metrics-server.example.com", False),
        ("w1.metrics-server", True),
        ("metrics-server2.example.com", True),
    ],
)
def test_a_services_short_name_is_a_nodes_if_it_is_called_so(node: str, held: bool) -> None:
    """Pods of the Service's namespace call it so. Whoever may make Services must not take a Node's own name away."""
    assert list(held_by("metrics-server", node=node)) == ["reserved-names"] * held


@pytest.mark.parametrize(
    "name", ["metrics-server.kube-system", "x.metrics-server.kube-system", "a.default.svc.lan"]
)
def test_a_services_longer_name_is_no_nodes_though_a_control_plane_is_called_so(name: str) -> None:
    assert list(held_by(name, node=name, cp=True)) == ["reserved-names"]


TENANTS = replace(
    CLUSTER,
    services={
        **CLUSTER.services,
        "lan.example": "Service example/lan",
        "w1-alias.shop": "Service shop/w1-alias",
        "dns.rack": "Service rack/dns",
    },
)
CALLED_LIKE_THEIRS = ["lan.example", "w1.lan.example", "w1-alias", "w1.rack.svc.dc.example"]


@pytest.mark.parametrize("source", WRITTEN)
@pytest.mark.parametrize("name", CALLED_LIKE_THEIRS)
def test_whatever_a_tenant_calls_a_service_takes_away_no_name_that_the_operator_gave(
    name: str, source: NameSource
) -> None:
    """Whoever may make a Service `lan` in a namespace `example` could else hold every node called w*.lan.example."""
    assert held_by(name, cluster=TENANTS, source=source) == {}


@pytest.mark.parametrize("source", WEAK)
@pytest.mark.parametrize("name", CALLED_LIKE_THEIRS)
def test_a_tenants_service_keeps_its_name_from_every_weaker_source(
    name: str, source: NameSource
) -> None:
    held = held_by(name, cluster=TENANTS, source=source)
    assert held["reserved-names"] == (HoldReason.RESERVED_NAME, (name,))


@pytest.mark.parametrize("node", ["w1-alias", "w1-alias.example.com"])
def test_a_tenants_service_takes_away_no_nodes_own_name(node: str) -> None:
    held = held_by("w1-alias", node=node, source=NameSource.SSH_HOST_KEY, cluster=TENANTS)
    assert held == {}


@pytest.mark.parametrize(
    "name", ["w1-alias.shop.svc", "w1-alias.shop.svc.corp.internal", "x.w1-alias.shop.svc"]
)
def test_no_word_gives_a_tenants_service_in_a_form_of_the_clusters_domain(name: str) -> None:
    assert held_by(name, cluster=TENANTS)["reserved-names"] == (HoldReason.RESERVED_NAME, ())


@pytest.mark.parametrize("address", ["10.96.0.10", "10.111.2.3", "fd00:96::1"])
def test_an_address_of_a_service_is_held_whatever_the_operator_says(address: str) -> None:
    assert held_by(address) == {"reserved-addresses": (HoldReason.RESERVED_ADDRESS, ())}


SILENT = replace(CLUSTER, pod_networks=())


@pytest.mark.parametrize(
    ("address", "cluster"),
    [("10.244.3.9", CLUSTER), ("10.7.2.9", SILENT), ("fd00:7::9", SILENT)],
)
def test_a_pods_address_wants_the_operators_word_even_if_its_host_key_answers_there(
    address: str, cluster: ClusterNames
) -> None:
    assert held_by(address, cluster=cluster, source=NameSource.SSH_HOST_KEY) == {
        "reserved-addresses": (HoldReason.RESERVED_ADDRESS, (address,))
    }
    assert held_by(address, cluster=cluster) == {}


def test_a_node_that_names_every_network_its_pods_holds_no_other_where_the_cluster_tells() -> None:
    """Whoever has a bootstrap token can make a Node with any spec.podCIDRs."""
    greedy = Node(metadata=Metadata(name="w9"), spec=NodeSpec(pod_cidrs=("0.0.0.0/0", "::/0")))
    reserved = reserved_of(CLUSTER, (*NODES, greedy))
    assert reserved.pod_networks == (ip_network("10.244.0.0/16"),)
    allowed = AllowedNames(
        "w1",
        (Claim("w1", NameSource.NODE_NAME),),
        (Claim("192.168.90.1", NameSource.LIVE_CERTIFICATE),),
    )
    assert decide_entitlement(allowed, OtherNodes(), reserved).outcome is Outcome.PASS


@pytest.mark.parametrize("source", [*WEAK, NameSource.SSH_HOST_KEY])
@pytest.mark.parametrize("value", ["192.168.88.240", "lb.example.com"])
def test_what_a_load_balancer_has_wants_the_operators_word_whatever_answers_there(
    value: str, source: NameSource
) -> None:
    """In ipvs mode every node has a load balancer's address on an interface, and its sshd answers there."""
    [(reason, by_word)] = (
        said for rule, said in held_by(value, source=source).items() if "reserved" in rule
    )
    assert reason in (HoldReason.RESERVED_NAME, HoldReason.RESERVED_ADDRESS)
    assert by_word == (value,)


@pytest.mark.parametrize("source", WRITTEN)
@pytest.mark.parametrize("value", ["192.168.88.240", "lb.example.com", "192.168.88.112"])
def test_whoever_may_write_a_services_status_cannot_take_away_what_the_operator_gave(
    value: str, source: NameSource
) -> None:
    assert held_by(value, source=source) == {}


@pytest.mark.parametrize("source", [*WEAK, NameSource.SSH_HOST_KEY])
def test_what_a_service_calls_external_holds_what_is_no_pin_and_answers_with_no_host_key(
    source: NameSource,
) -> None:
    held = held_by("192.168.88.112", source=source).get("reserved-addresses")
    by_word = (HoldReason.RESERVED_ADDRESS, ("192.168.88.112",))
    assert held == (None if source is NameSource.SSH_HOST_KEY else by_word)


def test_an_api_servers_address_is_its_own_nodes_by_a_pin_and_never_a_workers() -> None:
    endpoint = "192.168.88.111"
    held = (HoldReason.RESERVED_ADDRESS, (endpoint,))
    assert held_by(endpoint, source=NameSource.NODE_STATUS, cp=True)["reserved-addresses"] == held
    assert held_by(endpoint, cp=True) == {}
    assert held_by(endpoint) == {"reserved-addresses": (HoldReason.RESERVED_ADDRESS, ())}


def test_one_address_that_nothing_allows_leaves_no_way_for_the_others() -> None:
    held = held_by("192.168.88.111", "10.96.0.10", source=NameSource.NODE_STATUS, cp=True)
    assert held["reserved-addresses"] == (HoldReason.RESERVED_ADDRESS, ())


@pytest.mark.parametrize(
    ("cluster", "tells"),
    [
        (replace(CLUSTER, service_networks=()), "--service-cidr"),
        (replace(CLUSTER, domains=()), "--cluster-domain"),
        (
            replace(CLUSTER, doubts=(Doubt(DoubtKind.NOT_ALLOWED, "services: forbidden"),)),
            "services: forbidden",
        ),
    ],
    ids=["no Service network", "no domain", "no Services"],
)
def test_where_nothing_tells_what_is_reserved_it_cannot_be_told(
    cluster: ClusterNames, tells: str
) -> None:
    allowed = AllowedNames(
        "w1",
        (Claim("w1", NameSource.NODE_NAME),),
        (Claim("192.168.90.1", NameSource.SSH_HOST_KEY),),
    )
    decision = decide_entitlement(allowed, OtherNodes(), reserved_of(cluster, NODES))
    assert decision.outcome is Outcome.CANNOT_TELL
    assert [each.rule for each in decision.held_by] == ["reserved-names", "reserved-addresses"]
    assert all(tells in each.message for each in decision.held_by)


def test_what_is_reserved_is_refused_though_the_lists_may_lack_something() -> None:
    cluster = replace(CLUSTER, domains=())
    assert (
        held_by("kubernetes.default.svc", cluster=cluster)["reserved-names"][0]
        is HoldReason.RESERVED_NAME
    )
