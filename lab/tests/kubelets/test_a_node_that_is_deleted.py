"""A kubelet registers its Node at its start, and never again while it runs (kubelet_node_status.go, registrationCompleted)."""

from datetime import timedelta
from pathlib import Path

from kubevouch_lab.apiserver.kinds import LEASES, NODES
from kubevouch_lab.kubelets.reporter import ReportIntervals
from lab.tests.kubelets.conftest import node_of
from lab.tests.plane import Plane, until


async def test_it_comes_back_with_the_next_start_of_its_kubelet_only(
    cluster: Plane, tmp_path: Path
) -> None:
    node = node_of(cluster, tmp_path, rhythm=ReportIntervals())
    await node.kubelet.start()
    name = node.kubelet.name
    await until(lambda: cluster.admin.find(LEASES, name, "kube-node-lease"))  # then it knows that
    cluster.admin.delete(NODES, name)
    said = len(node.said)
    await node.passes(timedelta(seconds=60), timedelta(seconds=5))
    await until(lambda: any("not found" in line for line in node.said[said:]))
    assert cluster.admin.find(NODES, name) is None
    await node.kubelet.stop()
    await node.kubelet.start()
    await until(lambda: cluster.admin.find(NODES, name))
    await node.kubelet.stop()
