"""A lab's API server without controllers, four Nodes in it, and the program that is led to it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NODES, SERVICES
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.in_process import InProcess
from tests.cli.program import Program
from tests.support.authority import Authority

CLUSTER = "networking:\n  dnsDomain: cluster.local\n  serviceSubnet: 10.96.0.0/12\n"


def node(name: str, address: str, *, control_plane: bool = False, machine_id: str = "") -> Any:
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    addresses = [
        {"type": "InternalIP", "address": address},
        {"type": "Hostname", "address": name},
    ]
    status = {"addresses": addresses, "nodeInfo": {"machineID": machine_id or f"machine-of-{name}"}}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return InProcess(tmp_path)


def fill(lab: Bench) -> None:
    """A control plane and two workers, and what tells the cluster's own names."""
    for each in (
        node("cp-1", "192.168.88.111", control_plane=True),
        node("worker-1", "192.168.88.112"),
        node("worker-2", "192.168.88.113"),
    ):
        lab.local.create(NODES, each)
    cluster = {"metadata": {"name": "kubeadm-config"}, "data": {"ClusterConfiguration": CLUSTER}}
    lab.local.create(CONFIG_MAPS, cluster, "kube-system")
    service = {"ports": [{"port": 443}], "clusterIP": "10.96.0.1"}
    lab.local.create(SERVICES, {"metadata": {"name": "kubernetes"}, "spec": service}, "default")


@pytest.fixture
async def lab(tmp_path: Path, authority: Authority, kubevouch: Program) -> AsyncIterator[Bench]:
    async with bench(tmp_path, authority) as running:
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        fill(running)
        yield running
