"""Which nodes are asked what they serve: only where that would decide, at every kubelet's port, and a few at a time."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec
import pytest

from kubevouch.approve.decide.look import may_be_dialled
from kubevouch.approve.decide.view import ClusterView
from kubevouch.evidence.names import networks_of
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.kube.resources.certificates import CsrSpec
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.credentials import LiveNode
from kubevouch.policy.csr import CREDENTIAL_ID, ClientCsr, Csr, csr_of
from kubevouch.policy.reserved import ReservedNames, reserved_of
from kubevouch.system_clock import SystemClock
from tests.approve.conftest import Cluster, approving
from tests.support.cluster_names import cluster_names
from tests.support.nodes import node
from tests.support.requests import request
from tests.support.scripted.kubelet import SILENCE, ScriptedKubelet

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ADDRESS, LOOPBACK = "192.0.2.1", "127.0.0.2"


def csr(name: str, of: str, *addresses: str, pem: bytes = b"") -> Csr:
    found = CertificateSigningRequest(
        metadata=ManagedMetadata(name=name, uid=f"uid-{name}", creation_timestamp=NOW),
        spec=CsrSpec(
            request=pem or request(of, [of], addresses),
            username=f"system:node:{of}",
            groups=("system:nodes",),
            signer_name="kubernetes.io/kubelet-serving",
            usages=("digital signature", "server auth"),
        ),
    )
    return csr_of(found)


def seen(*nodes: Node, loopback: str = "") -> tuple[ClusterView, ReservedNames]:
    listed = LoopbackKubelets(frozenset({ip_address(loopback)}) if loopback else frozenset())
    names = cluster_names(service_networks=networks_of("10.96.0.0/12"), loopback=listed)
    view = ClusterView()
    view.set_names(names)
    for each in nodes:
        view.put_node(each)
    return view, reserved_of(names, nodes)


def shown(view: ClusterView, made: Csr) -> None:
    """The watch has shown it."""
    extra = {CREDENTIAL_ID: made.credential_ids or ()}
    metadata = ManagedMetadata(name=made.name, creation_timestamp=made.created)
    spec = CsrSpec(username=made.username or "", extra=extra)
    view.waiting.put(CertificateSigningRequest(metadata=metadata, spec=spec))


def dialled(asking: Node, made: Csr, *others: Node, loopback: str = "", after: float = 1) -> bool:
    view, reserved = seen(asking, *others, loopback=loopback)
    shown(view, made)
    at = NOW + timedelta(seconds=after)
    return may_be_dialled(view, made, asking, reserved, at)


@pytest.mark.parametrize(
    ("address", "port", "loopback", "expected"),
    [
        (ADDRESS, 10250, "", True),
        (ADDRESS, 22, "", False),
        (ADDRESS, 6443, LOOPBACK, False),
        (LOOPBACK, 10250, "", False),
        (LOOPBACK, 41000, LOOPBACK, True),
        ("10.96.0.7", 10250, "", False),
    ],
)
def test_a_node_chooses_neither_the_port_nor_a_strange_address(
    address: str, port: int, loopback: str, expected: bool
) -> None:
    asking = node("n1", address, port=port)
    assert dialled(asking, csr("c1", "n1", address), loopback=loopback) is expected


def test_nobody_is_dialled_where_another_rule_holds_the_csr_whatever_is_served() -> None:
    asking, made = node("n1", ADDRESS), csr("c1", "n1", ADDRESS)
    assert dialled(asking, made)
    assert not dialled(asking, made, node("n2", ADDRESS))
    assert not dialled(asking, made, after=900)
    assert not dialled(asking, msgspec.structs.replace(made, usages=("client auth",)))
    assert not dialled(asking, csr("c1", "n1", pem=b"rubbish"))
    assert not dialled(asking, csr("c1", "n1"))
    view, reserved = seen(asking)
    shown(view, made)
    for number in range(6):
        view.budget.spend("n1", f"uid-{number}", NOW)
    assert not may_be_dialled(view, made, asking, reserved, NOW)


def test_a_recreated_node_is_dialled_for_whom_the_rule_for_new_nodes_may_admit() -> None:
    """What is served there belongs to the kubelet of the earlier Node, if that still runs."""
    view, reserved = seen()
    view.begin()
    assert view.credentials is not None
    before = LiveNode("n1", "uid-0", NOW - timedelta(days=1))
    view.credentials.node(before)
    view.credentials.gone("n1")
    got = ClientCsr("c0", "n1", by_node=False, credential_ids=(), created=NOW, certificate="bb")
    view.credentials.csrs([got])
    asking = node("n1", ADDRESS)
    view.put_node(asking)
    made = csr("c1", "n1", ADDRESS)
    made = msgspec.structs.replace(made, credential_ids=("X509SHA256=bb",))
    shown(view, made)
    assert may_be_dialled(view, made, asking, reserved, NOW + timedelta(seconds=1))


async def test_however_many_csrs_a_node_makes_it_is_dialled_once_at_a_time(
    cluster: Cluster,
) -> None:
    async with ScriptedKubelet(SILENCE, SystemClock(), host=LOOPBACK) as kubelet:
        cluster.node("n1", LOOPBACK, port=kubelet.port)
        async with approving(cluster, loopback=(LOOPBACK,)):
            cluster.csr("csr-0", "n1")
            await cluster.until(lambda: kubelet.seen)
            for number in range(1, 8):
                cluster.csr(f"csr-{number}", "n1")
            await cluster.until(lambda: len(kubelet.seen) == 2)
        assert kubelet.most_open == 1


async def test_nodes_that_answer_nobody_keep_no_other_node_waiting(cluster: Cluster) -> None:
    """Whoever has a bootstrap token can make any number of Nodes, and as many CSRs."""
    async with ScriptedKubelet(SILENCE, SystemClock(), host="0.0.0.0") as kubelet:
        for number in range(70):
            cluster.node(f"n{number}", f"127.0.1.{number}", port=kubelet.port)
        cluster.node("pinned", "192.0.2.1")
        cluster.inventory(pinned=["192.0.2.1"])
        silent = tuple(f"127.0.1.{number}" for number in range(70))
        async with approving(cluster, loopback=silent) as running:
            for number in range(70):
                cluster.csr(f"csr-{number}", f"n{number}")
            await cluster.until(lambda: kubelet.open >= 32)
            await cluster.approves("csr-pinned", "pinned")
            assert '"Held"' not in running.log
        assert kubelet.most_open == 32
