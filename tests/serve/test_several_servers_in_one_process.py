"""`kubevouch run approver exporter metrics-server`: one process, one listener, one page of metrics, one end."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.forked import Forked
from tests.cli.program import Program
from tests.cli.server_process import ServerProcess, serving
from tests.exporter.in_loop import publish_ca
from tests.support.scripted.kinds import KINDS
from tests.support.small_cluster import METRICS, SmallCluster, small_cluster
from tests.support.unhurried import GENEROUS

ADMIN = [("X-Remote-User", "admin"), ("X-Remote-Group", "admins")]
SPACE = "kubevouch-system"
TOLD = "networking: {serviceSubnet: 10.96.0.0/12, dnsDomain: cluster.local}\n"
"""What is the cluster's own: where nothing tells it the approver holds every CSR, and is not ready."""

PROVEN = "kubevouch_kubelet_serving_verified"


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return Forked(tmp_path)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as found:
        publish_ca(found)
        found.server.store.create(KINDS["", "v1", "namespaces"], {"metadata": {"name": SPACE}})
        told = {"metadata": {"name": "kubeadm-config"}, "data": {"ClusterConfiguration": TOLD}}
        found.server.store.create(KINDS["", "v1", "configmaps"], told, "kube-system")
        yield found


@contextlib.asynccontextmanager
async def running(
    program: Program, cluster: SmallCluster, *servers: str
) -> AsyncIterator[ServerProcess]:
    words = ("run", *servers, f"--kubeconfig={cluster.kubeconfig}", "-v=2", "--logging-format=json")
    async with serving(program, cluster.kubeconfig.parent / "certs", *words) as found:
        await found.listens()
        yield found


async def page(server: ServerProcess, cluster: SmallCluster) -> dict[str, float]:
    """The sum of each metric; no series is there twice."""
    code, text = await server.get("/metrics", cluster.authorities.front_proxy, ADMIN)
    assert code == 200, text
    series = [each for family in text_string_to_metric_families(text) for each in family.samples]
    twice = Counter((each.name, tuple(sorted(each.labels.items()))) for each in series)
    assert [each for each, count in twice.items() if count > 1] == []
    found: dict[str, float] = {}
    for each in series:
        found[each.name] = found.get(each.name, 0.0) + each.value
    return found


async def until_ready(server: ServerProcess) -> None:
    async with asyncio.timeout(GENEROUS):
        while (await server.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.1)


async def ended(server: ServerProcess) -> int:
    server.process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(server.process.wait(), GENEROUS)


async def test_approver_and_exporter_share_a_process_a_listener_and_a_page(
    tmp_path: Path, cluster: SmallCluster
) -> None:
    async with running(Program(tmp_path), cluster, "approver", "exporter") as server:
        await server.told("Began to lead")
        await until_ready(server)
        found = await page(server, cluster)
        assert found[PROVEN] == 2
        assert found["kubevouch_approver_leader"] == 1
        assert found["process_open_fds"] > 0
        checks = (await server.get("/readyz?verbose"))[1]
        assert "[+]informer-sync ok" in checks
        assert "[+]cluster-names ok" in checks
        assert "[+]nodes-dialled ok" in checks
        assert checks.count("shutdown") == 1
        assert await ended(server) == 0
    lease = KINDS["coordination.k8s.io", "v1", "leases"]
    spec = cluster.server.store.get(lease, "kubevouch-approver", SPACE)["spec"]
    assert spec["holderIdentity"] == ""
    assert all(isinstance(json.loads(line), dict) for line in server.lines)


async def test_the_metrics_api_is_served_beside_them(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    async with running(kubevouch, cluster, "metrics-server", "exporter") as server:
        wanted = {"metrics_server_kubelet_last_request_time_seconds", PROVEN}
        async with asyncio.timeout(GENEROUS):
            while not wanted <= set(await page(server, cluster)):
                await asyncio.sleep(0.2)
        front = cluster.authorities.front_proxy
        code, text = await server.get(METRICS, front, ADMIN)
        assert (code, json.loads(text)["kind"]) == (200, "APIResourceList")
        code, text = await server.get(f"{METRICS}/nodes", front, ADMIN)
        assert (code, json.loads(text)["kind"]) == (200, "NodeMetricsList")
        assert "[+]metric-informer-sync ok" in (await server.get("/readyz?verbose"))[1]
        assert await ended(server) == 0


async def test_a_server_that_does_not_exist_is_a_wrong_word(kubevouch: Program) -> None:
    ran = await kubevouch("run", "approver", "scheduler")
    assert ran.code == 2
    assert "scheduler" in ran.err
