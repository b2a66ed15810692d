"""`kubevouch approver run` as a pod runs it: probes, metrics behind authorization, JSON lines, and a graceful end."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kubevouch_lab.apiserver import status
from tests.approve.conftest import (
    CONFIG_MAP,
    LEASE,
    NAMESPACE,
    SPACE,
    Cluster,
    HurriedClock,
    Running,
    approving,
)
from tests.cli.forked import Forked
from tests.cli.program import Program
from tests.cli.server_process import ServerProcess, serving
from tests.support.front_proxy import NAME, Authorities, client_context
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.reviews import Reviews
from tests.support.scripted import faults
from tests.support.scripted.reviews import Attributes
from tests.support.unhurried import GENEROUS


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return Forked(tmp_path)


def kubeconfig(cluster: Cluster, folder: Path) -> Path:
    reached, user = (cluster.server.url, cluster.authority.pem), {"token": "approver"}
    return write_kubeconfig(folder / "kubeconfig", *reached, user, namespace="elsewhere")


@contextlib.asynccontextmanager
async def started(program: Program, cluster: Cluster, *more: str) -> AsyncIterator[ServerProcess]:
    cluster.server.store.create(NAMESPACE, {"metadata": {"name": SPACE}})
    named = f"--kubeconfig={kubeconfig(cluster, program.home)}"
    words = ("approver", "run", named, "--logging-format=json", "-v=2", *more)
    async with serving(program, program.home / "certs", *words) as running:
        yield running


async def test_the_whole_life_of_an_approver(tmp_path: Path, cluster: Cluster) -> None:
    cluster.listed("n1")
    async with started(Program(tmp_path), cluster) as approver:
        await approver.told("Began to lead")
        await cluster.approves("csr-1", "n1")
        await approver.told('"msg":"Approved"')
        approved = json.loads(next(line for line in approver.lines if '"msg":"Approved"' in line))
        assert (approved["csr"], approved["node"], approved["source"]) == (
            "csr-1",
            "n1",
            "inventory",
        )
        assert (await approver.get("/readyz"))[1] == "ok"
        assert (await approver.get("/livez"))[1] == "ok"
        approver.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(approver.process.wait(), GENEROUS) == 0
    spec = cluster.server.store.get(LEASE, "kubevouch-approver", SPACE)["spec"]
    assert spec["holderIdentity"] == ""
    for line in approver.lines:
        assert isinstance(json.loads(line), dict)


async def test_outside_a_pod_it_works_where_the_approver_is_and_says_with_what(
    kubevouch: Program, cluster: Cluster
) -> None:
    """The context's own namespace is another one."""
    cluster.listed("n1")
    async with started(kubevouch, cluster) as approver:
        await approver.told('"msg":"Listed Nodes, CSRs and ConfigMaps"')
        (text,) = [each for each in approver.lines if "Listed Nodes, CSRs and ConfigMaps" in each]
        line = json.loads(text)
        assert (line["namespace"], line["pins"]) == (SPACE, 0)
        assert line["sources"] == "inventory,pins,renewal"


async def test_a_dry_run_works_where_nothing_is_installed(
    kubevouch: Program, cluster: Cluster
) -> None:
    words = ("--dry-run", "-n", "nosuch")
    async with started(kubevouch, cluster, *words) as approver:
        await approver.told('"msg":"Listed Nodes, CSRs and ConfigMaps"')


async def test_the_metrics_are_for_whom_the_api_server_allows(
    kubevouch: Program, cluster: Cluster
) -> None:
    Authorities(cluster=cluster.authority).publish(cluster.server)
    reviews = Reviews(allow=lambda spec: spec["user"] == "prometheus")
    reviews.play_on(cluster.server)
    async with started(kubevouch, cluster) as approver:
        await approver.told("Began to lead")
        refused = await approver.get("/metrics", cluster.authority.client("somebody"))
        assert refused[0] == 403
        assert (await approver.get("/metrics"))[0] == 403
        code, page = await approver.get("/metrics", cluster.authority.client("prometheus"))
    assert code == 200, page
    for series in (
        "kubevouch_approver_leader 1.0",
        'kubevouch_approver_decisions_total{outcome="pass",reason="Passes",source="pins"} 0.0',
        "kubevouch_approver_pending 0.0",
        "kubevouch_approver_oldest_pending_age_seconds 0.0",
        "kubevouch_approver_queue_depth 0.0",
        "kubevouch_approver_clock_ahead_seconds 0.0",
        "kubevouch_approver_tasks ",
        'kubevouch_approver_others_approved_total{verdict="refuse"} 0.0',
        "kubevouch_approver_decision_duration_seconds_count 0.0",
        "kubevouch_approver_watch_lag_seconds_count 0.0",
        'kubevouch_approver_api_requests_total{code="201",resource="leases",verb="create"}',
    ):
        assert series in page, series


async def test_it_approves_although_nobody_may_read_its_metrics(
    kubevouch: Program, cluster: Cluster
) -> None:
    """The ConfigMap with the authorities cannot be read."""

    def no_published_trust(asked: Attributes) -> bool:
        return asked.name != NAME

    cluster.listed("n1")
    cluster.server.authorize = no_published_trust
    async with started(kubevouch, cluster) as approver:
        await approver.told("Unable to get configmap")
        await cluster.approves("csr-1", "n1")


async def readyz(running: Running) -> tuple[int, str]:
    trusted = client_context(running.source.read().chain)
    async with asyncio.timeout(GENEROUS), aiohttp.ClientSession() as session:
        while True:
            url = f"https://127.0.0.1:{running.port}/readyz"
            # By a hurried clock a server may give up a handshake that takes less than a second.
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(url, ssl=trusted) as answer:
                    return answer.status, await answer.text()
            await asyncio.sleep(0.05)


async def shown(running: Running, code: int, text: str = "") -> str:
    """Its page once that has this code and this text. The watches go on meanwhile: by a hurried clock minutes may pass."""
    async with asyncio.timeout(GENEROUS):
        while True:
            found, page = await readyz(running)
            if found == code and text in page:
                return page
            if code == 200:
                running.cluster.server.watches.bookmark()
            await asyncio.sleep(0.05)


async def test_it_is_not_ready_until_the_clusters_own_names_are_known(
    cluster: Cluster,
) -> None:
    """As without the right to list Services: it leads, and holds every CSR."""
    denied = status.StatusError(403, "Forbidden", "no")
    cluster.server.faults.on("/api/v1/services", faults.refuse(denied))
    async with approving(cluster) as running:
        await cluster.until(lambda: running.metric("kubevouch_approver_leader") == 1)
        code, page = await readyz(running)
        assert (code, "[-]cluster-names failed" in page) == (500, True), page
        await running.logged("nothing is approved: ")
        assert "cannot list services" in running.log


CSRS_PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.mark.parametrize(
    "path", ["/api/v1/nodes", CSRS_PATH, f"/api/v1/namespaces/{SPACE}/configmaps"]
)
async def test_it_does_not_lead_before_it_has_seen_everything(cluster: Cluster, path: str) -> None:
    """As without a right in the table of docs/reference/approver.md. It would keep another replica from leading that can decide, and doctor from finding it."""
    denied = status.StatusError(500, "InternalError", "no")
    cluster.server.faults.on(path, faults.refuse(denied))
    async with approving(cluster, clock=HurriedClock(20.0)) as running:
        code, page = await readyz(running)
        assert (code, "[-]informer-sync failed" in page) == (500, True), page
        for _ in range(60):  # a minute, by its clock
            await asyncio.sleep(0.05)
            assert running.metric("kubevouch_approver_leader") == 0
        assert not cluster.server.store.list(LEASE, SPACE)
        cluster.server.faults.clear()

        def leads() -> bool:
            cluster.server.watches.bookmark()  # by its clock minutes may pass
            return running.metric("kubevouch_approver_leader") == 1

        await cluster.until(leads)
        await shown(running, 200)


async def test_it_is_not_ready_and_does_not_lead_while_a_watch_shows_nothing(
    cluster: Cluster,
) -> None:
    """The API server accepts its watches and its Lease, and sends neither events nor bookmarks: doctor finds it by that (KV409)."""
    async with approving(cluster, clock=HurriedClock(20.0)) as running:

        async def leads(expected: float) -> None:
            await cluster.until(lambda: running.metric("kubevouch_approver_leader") == expected)

        await leads(1)
        assert (await readyz(running))[0] == 200
        await shown(running, 500, "[-]watches failed")
        assert "a watch has been silent for too long: nodes (" in running.log
        await leads(0)
        for _ in range(60):  # a minute, by its clock
            await asyncio.sleep(0.05)
            assert running.metric("kubevouch_approver_leader") == 0
        await shown(running, 200)
        await leads(1)


async def test_it_is_not_ready_while_its_configuration_cannot_be_read_and_says_when_it_can_again(
    cluster: Cluster,
) -> None:
    """It leads, and would approve nothing: a pod that is ready would be taken for one that works."""
    cluster.listed("n1")
    cluster.configure("sources: [inventory, pinz]")
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1")
        assert "SourceUnreadable" in running.log
        assert running.metric("kubevouch_approver_source_problems") == 1
        await shown(running, 500, "[-]configuration failed")
        assert "'pinz'" in running.log
        assert "can be read again" not in running.log
        assert not cluster.conditions("csr-1")
        configuration = {"configuration.yaml": "schemaVersion: kubevouch.approver/1"}
        where = (SPACE, "kubevouch-approver")
        cluster.server.store.change(
            CONFIG_MAP, where, lambda found: {**found, "data": configuration}
        )
        assert await shown(running, 200) == "ok"
        await running.logged("An approver ConfigMap can be read again")
