"""What takes long: a cut network, and an hour of rotations."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.told import eventually
from tests.support.api_connection import ApiConnection

from .conftest import address
from .cuts import cut_off
from .installed import ApproverPod, InstalledApprover, assert_approved_once
from .simulated import Joining, administrator
from .soak import A_MINUTE, nodes_needed, reading, soak

pytestmark = pytest.mark.long


def _said(pod: ApproverPod, message: str) -> int:
    return sum(message in str(line) for line in pod.log())


@pytest.mark.usefixtures("bed")
def test_a_leader_that_is_cut_off_approves_nothing_and_afterwards_everything(
    approver: InstalledApprover, site: Joining, now: datetime
) -> None:
    few = site.join_all({f"sim-few-{each}.example.com": address() for each in range(5)})
    pod = approver.leader()
    lost = _said(pod, "Does not lead")
    with cut_off(approver.cluster, pod):
        asked = [node.ask() for node in few]
        eventually(lambda: _said(pod, "Does not lead") > lost, "that it leads no more")
        assert approver.approvals(now) == {}
    for name in asked:
        site.approved(name, seconds=120)
    assert_approved_once(approver, asked, now)


@pytest.fixture
def no_metrics_servers(approver: InstalledApprover) -> Iterator[None]:
    """They would dial every simulated node again and again, which on a lab takes most of a core."""
    scale = ("-n", "kube-system", "scale", "deployment", "metrics-server")
    approver.cluster.kubectl(*scale, "--replicas=0")
    yield
    approver.cluster.kubectl(*scale, "--replicas=3")


@pytest.mark.usefixtures("no_metrics_servers")
def test_an_hour_of_rotations_leaves_it_as_it_was(
    approver: InstalledApprover, site: Joining, tmp_path: Path, now: datetime
) -> None:
    """$KUBEVOUCH_SOAK_MINUTES minutes, a hundred rotations in each: memory, open files and tasks stay flat."""
    cluster = approver.cluster
    nodes = site.join_all(
        {f"sim-soak-{each}.example.com": address() for each in range(nodes_needed())}
    )
    pod = approver.leader()
    process = pod.process
    _, ca, pair = administrator(cluster.kubeconfig, tmp_path)
    context = ApiConnection.trusting(ca, pair)
    url = f"https://{pod.address(cluster)}:8443/metrics"
    soaked = soak(site, nodes, lambda: reading(url, context))
    assert pod.process == process
    assert_approved_once(approver, soaked.asked, now)
    assert soaked.growing() == {}
    assert soaked.pace > 0.8 * A_MINUTE
