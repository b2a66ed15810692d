"""A lab's API server without controllers, four Nodes in it, and the program that is led to it."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES, NODES, SERVICES
from kubevouch_lab.apiserver.request import Authorizer
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.in_process import InProcess
from tests.approver_install.installation import SPACE
from tests.cli.program import Program
from tests.support.authority import Authority

IMAGE = "registry.example.com/kubevouch@sha256:" + "4f" * 32
HELD = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold", "--yes", "--wait", "0s")
STORE = "store"
CLUSTER = "networking:\n  dnsDomain: cluster.local\n  serviceSubnet: 10.96.0.0/12\n"


def node(name: str, address: str, *, control_plane: bool = False, machine_id: str = "") -> Any:
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    addresses = [
        {"type": "InternalIP", "address": address},
        {"type": "Hostname", "address": name},
    ]
    status = {"addresses": addresses, "nodeInfo": {"machineID": machine_id or f"machine-of-{name}"}}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


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


@contextlib.asynccontextmanager
async def another_bench(
    kubevouch: Program, authority: Authority, authorize: Authorizer
) -> AsyncIterator[Bench]:
    """As `lab`, with an authorizer of the test's own, to which kubevouch is led."""
    async with bench(kubevouch.home, authority, authorize=authorize) as running:
        fill(running)
        kubevouch.environment["KUBECONFIG"] = str(kubevouch.home / "admin")
        yield running


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """The store of such a server in which HELD has installed the approver: it is done once, and many tests go on from there."""
    folder = tmp_path_factory.mktemp("installed")

    async def install() -> None:
        async with bench(folder, authority, journal=StoreJournal(folder / STORE)) as running:
            fill(running)
            program = InProcess(folder, {"KUBECONFIG": str(folder / "admin")})
            await program(*HELD, code=4)  # nothing runs pods here

    asyncio.run(install())
    return folder / STORE


@pytest.fixture
def installed(tmp_path: Path, installation: Path) -> None:
    """The approver is installed already in the `lab` of this test."""
    shutil.copyfile(installation, tmp_path / STORE)


@pytest.fixture
def namespace(lab: Bench) -> None:
    """The approver's, without anything in it."""
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})


@pytest.fixture
async def lab(tmp_path: Path, authority: Authority, kubevouch: Program) -> AsyncIterator[Bench]:
    kept = tmp_path / STORE
    journal = StoreJournal(kept) if kept.exists() else None
    async with bench(tmp_path, authority, journal=journal) as running:
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "admin")
        if journal is None:
            fill(running)
        yield running
