"""The approver on a cluster with two control planes: two pods, one of which may go at any time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pytest

from real.node import Node
from tests.e2e.approver.conftest import where_nodes_join
from tests.e2e.approver.installed import (
    NAME,
    NAMESPACE,
    InstalledApprover,
    assert_approved_once,
    installed,
    takes_its_next_certificate,
)
from tests.e2e.approver.simulated import Joining, SimulatedNode, burst

from .bed_cluster import BedCluster
from .cluster import Cluster
from .told import eventually

pytestmark = pytest.mark.long

PATIENT = 90.0


@pytest.fixture(scope="module")
def second(bed: BedCluster) -> Iterator[Node]:
    """The node of the second control plane."""
    bed.state("healthy")
    with bed.bed.second_control_plane() as node:
        yield node
    bed.state("healthy")


@pytest.fixture(scope="module")
def approver(cluster: Cluster, second: Node, image_reference: str) -> Iterator[InstalledApprover]:
    del second
    with installed(cluster, image_reference) as made:
        yield made


site = pytest.fixture(scope="module")(where_nodes_join)


@pytest.fixture(scope="module")
def crowd(site: Joining) -> list[SimulatedNode]:
    return site.join_all({f"sim-{n}.example.com": f"192.168.100.{n + 1}" for n in range(20)})


def test_there_are_two_pods_on_the_two_control_planes_and_a_budget(
    approver: InstalledApprover, second: Node
) -> None:
    cluster = approver.cluster
    assert sorted(pod.node for pod in approver.pods()) == sorted([cluster.master.name, second.name])
    words = ("poddisruptionbudget", NAME, "-n", NAMESPACE)
    assert cluster.get(*words)["spec"]["minAvailable"] == 1
    allowed = "disruptionsAllowed"
    eventually(lambda: cluster.get(*words)["status"][allowed] == 1, "that one of them may go")


def test_the_second_control_planes_own_kubelet_gets_its_next_certificate(
    approver: InstalledApprover, second: Node
) -> None:
    """Its address is an API server's, too."""
    del approver
    takes_its_next_certificate(second)


@contextmanager
def _drained(cluster: Cluster, node: str) -> Iterator[None]:
    """As an operator does it before a reboot."""
    words = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
    try:
        cluster.kubectl(*words, seconds=310)
        yield
    finally:
        cluster.kubectl("uncordon", node)


def test_a_drain_of_the_leaders_node_ends_and_no_csr_is_lost(
    approver: InstalledApprover, site: Joining, crowd: list[SimulatedNode], now: datetime
) -> None:
    leader, former = approver.leader(), approver.holder()
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(burst, crowd)
        with _drained(approver.cluster, leader.node):
            asked = asking.result()
            for name in asked:
                site.approved(name, seconds=PATIENT)
            assert approver.holder() not in {"", former}
            assert leader.node not in {pod.node for pod in approver.pods()}
    assert_approved_once(approver, asked, now)


def test_one_of_two_api_servers_goes_away_and_no_csr_is_lost(
    approver: InstalledApprover,
    site: Joining,
    crowd: list[SimulatedNode],
    second: Node,
    now: datetime,
) -> None:
    """Whichever of them the pods were connected to: the other one answers."""
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    asked = burst(crowd[:10])
    second.sh(f"mv {manifest} /root/; pkill -KILL -x kube-apiserver")
    try:
        asked += burst(crowd[10:])
        for name in asked:
            site.approved(name, seconds=PATIENT)
    finally:
        second.sh(f"mv /root/kube-apiserver.yaml {manifest}")
    assert_approved_once(approver, asked, now, unlogged=asked[:10])
