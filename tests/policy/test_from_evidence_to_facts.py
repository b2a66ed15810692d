"""Nothing is lost or mixed up between what was read and what the rules see: whole values, field by field."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import msgspec

from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition, Node
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata, Metadata
from kubevouch.kube.resources.nodes import NodeAddress, NodeSpec, NodeStatus
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    ClaimedBy,
    NameSource,
    OtherNodes,
)
from kubevouch.policy.csr import Csr, csr_of
from kubevouch.policy.facts import CsrFacts, RuleResult, csr_facts
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import (
    Reservation,
    ReservedNames,
    reserved_name,
    reserved_of,
)
from kubevouch.x509.csr import read_csr
from tests.support.requests import request

from .conftest import ADDRESS, NODE, NOW

PEM = request(NODE, [NODE], [ADDRESS])
NO_BLOCK = "no PEM block; expected a CERTIFICATE REQUEST block"
SHARED, ALONE = ip_address("127.10.0.1"), ip_address("127.10.0.2")

CSR = CertificateSigningRequest(
    metadata=ManagedMetadata(name="csr-1", creation_timestamp=NOW),
    spec=CsrSpec(
        request=PEM,
        signer_name="kubernetes.io/kubelet-serving",
        expiration_seconds=86400,
        usages=("digital signature", "server auth"),
        username=f"system:node:{NODE}",
        groups=("system:nodes",),
        extra={"authentication.kubernetes.io/credential-id": ("X509SHA256=00",), "other": ("x",)},
    ),
    status=CsrStatus(conditions=(CsrCondition(type="Approved"), CsrCondition(type="Failed"))),
)
SEEN = Csr(
    name="csr-1",
    pem=PEM,
    parsed=read_csr(PEM, "csr-1"),
    unreadable="",
    username=f"system:node:{NODE}",
    groups=("system:nodes",),
    signer="kubernetes.io/kubelet-serving",
    usages=("digital signature", "server auth"),
    expiration_seconds=86400,
    created=NOW,
    credential_ids=("X509SHA256=00",),
    conditions=("Approved", "Failed"),
)

CLUSTER = ClusterNames(
    own_endpoints={"192.168.88.111": "an API server", str(SHARED): "an API server"},
    virtual={"API.example.com.": "the control plane's endpoint", "10.96.0.10": "Service kube-system/kube-dns"},
    external={"192.168.88.112": "Service web/shop"},
    services={"Metrics.Kube-System": "Service kube-system/metrics"},
    service_networks=(ip_network("10.96.0.0/12"),),
    pod_networks=(ip_network("10.244.0.0/16"),),
    domains=("corp.internal", "lan"),
    doubts=(Doubt(DoubtKind.NOT_ALLOWED, "services are forbidden"),),
    loopback=LoopbackKubelets(frozenset({SHARED, ALONE}), frozenset({SHARED, ip_address("127.0.0.9")})),
)  # fmt: skip
NODES = (
    Node(
        metadata=Metadata(name=NODE),
        spec=NodeSpec(pod_cidrs=("10.7.1.0/24",)),
        status=NodeStatus(addresses=(NodeAddress(address=ADDRESS),)),
    ),
    Node(
        metadata=Metadata(name="worker-2"),
        status=NodeStatus(
            addresses=(NodeAddress(address="192.168.88.113"), NodeAddress(address=str(SHARED)))
        ),
    ),
)
RESERVED = ReservedNames(
    names={"api.example.com": "the control plane's endpoint"},
    services={"metrics.kube-system": "Service kube-system/metrics"},
    system_services={"metrics": "Service kube-system/metrics"},
    suffixes={".corp.internal": "the cluster's own domain", ".lan": "the cluster's own domain"},
    addresses={ip_address("10.96.0.10"): "Service kube-system/kube-dns"},
    networks={ip_network("10.96.0.0/12"): "a Service"},
    namespaces=frozenset({"kube-system"}),
    pod_networks=(ip_network("10.244.0.0/16"),),
    external_addresses={ip_address("192.168.88.112"): "Service web/shop"},
    endpoint_addresses={ip_address("192.168.88.111"): "an API server"},
    loopback=frozenset({SHARED, ALONE}),
    shared=frozenset({SHARED}),
    doubts=("services are forbidden",),
)


def read(value: object) -> Measured[object]:
    return Measured(Vantage.API_SERVER, NOW, value)


def evidence(nodes: object = NODES, csrs: object = (CSR,)) -> IndexedEvidence:
    return IndexedEvidence(PolicyEvidence(read(nodes), read(csrs), CLUSTER))  # type: ignore[arg-type]


def test_a_csr_of_the_api_server() -> None:
    assert csr_of(CSR) == SEEN


def test_a_csr_that_cannot_be_read_says_why_and_which_one() -> None:
    broken = csr_of(
        CertificateSigningRequest(
            metadata=ManagedMetadata(name="csr-2"), spec=CsrSpec(request=b"hello")
        )
    )
    assert (broken.parsed, broken.credential_ids) == (None, ())
    assert broken.unreadable == f"csr-2: {NO_BLOCK}"


def test_what_is_reserved_in_a_cluster() -> None:
    assert reserved_of(CLUSTER, NODES) == RESERVED


def test_a_service_in_a_namespace_of_several_labels_is_no_other_namespace() -> None:
    odd = replace(CLUSTER, services={"a.b.c": "Service b.c/a"})
    assert reserved_of(odd, ()).namespaces == {"b.c"}
    assert reserved_of(odd, ()).short_services == {"a": "Service b.c/a"}


def test_a_tenant_makes_no_service_of_the_cluster_one_of_his_own() -> None:
    services = {"dns.a": "Service a/dns", "dns.kube-system": "Service kube-system/dns"}
    reserved = reserved_of(replace(CLUSTER, services=services), ())
    assert reserved.system_services == {"dns": "Service kube-system/dns"}
    pinned = AllowedNames(NODE, (Claim("dns", NameSource.PIN),))
    assert reserved_name("dns", reserved, pinned) == Reservation("Service kube-system/dns")


def test_the_facts_about_a_csr_hold_all_that_is_known() -> None:
    allowed = AllowedNames(NODE)
    pinned = [("worker-3", Claim("10.0.0.3", NameSource.OPERATOR))]
    pem = request(NODE, [NODE, "worker-2"], [ADDRESS, "192.168.88.113", "10.0.0.3"])
    greedy = csr_of(
        msgspec.structs.replace(CSR, spec=msgspec.structs.replace(CSR.spec, request=pem))
    )
    facts = csr_facts(greedy, evidence(), at=NOW, allowed=allowed, pinned=pinned)
    assert facts == CsrFacts(
        csr=greedy,
        at=NOW,
        node_exists=True,
        allowed=allowed,
        other_nodes=OtherNodes(
            names={"worker-2": ClaimedBy("worker-2", proven=True, by_name=True)},
            addresses={
                ip_address("192.168.88.113"): ClaimedBy("worker-2", proven=False),
                ip_address("10.0.0.3"): ClaimedBy("worker-3", proven=True),
            },
        ),
        reserved=RESERVED,
        newest="csr-1",
        credentials_told=True,
    )


def test_where_no_csr_names_its_client_certificate_the_api_server_does_not_tell() -> None:
    told = csr_facts(csr_of(CSR), evidence(csrs=()), at=NOW, allowed=None)
    assert told.credentials_told is False
    token = {"authentication.kubernetes.io/credential-id": ("JTI=x",)}
    by_token = msgspec.structs.replace(CSR, spec=msgspec.structs.replace(CSR.spec, extra=token))
    told = csr_facts(csr_of(CSR), evidence(csrs=(by_token,)), at=NOW, allowed=None)
    assert told.credentials_told is False


def test_a_result_is_one_line_with_and_without_what_was_seen() -> None:
    bare = RuleResult("fresh", Outcome.CANNOT_TELL, HoldReason.NOT_IN_EVIDENCE, "no date")
    assert str(bare) == "no date"
    assert str(RuleResult("fresh", bare.outcome, bare.reason, "too old", "1 h")) == "1 h: too old"
