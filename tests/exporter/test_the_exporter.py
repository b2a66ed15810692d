"""What the exporter serves is what kubelets serve now, and what `certs` shows; of a node that is gone nothing is left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from kubevouch.cli.certs.disk import found_in_cluster
from kubevouch.inventory.metrics import exposition_of
from kubevouch.inventory.rows import rows_of
from kubevouch.system_clock import SystemClock
from tests.exporter.in_loop import RunningExporter, by_node, running_exporter
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.manifests import REVIEWS, rights
from tests.support.scripted.kinds import KINDS
from tests.support.scripted.kubelet import SILENCE, ScriptedKubelet, Serve
from tests.support.small_cluster import SmallCluster, node_object, small_cluster
from tests.support.unhurried import GENEROUS

RBAC = Path(__file__).parents[2] / "deploy" / "exporter" / "rbac.yaml"
VERIFIED = "kubevouch_kubelet_serving_verified"
FAILURE = "kubevouch_kubelet_serving_failure_info"
READ = "kubevouch_exporter_read_last_success_timestamp_seconds"
NODES = KINDS["", "v1", "nodes"]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as found:
        yield found


@pytest.fixture
async def exporter(cluster: SmallCluster) -> AsyncIterator[RunningExporter]:
    async with running_exporter(cluster, SystemClock()) as running:
        yield running


async def test_it_says_of_every_kubelet_whether_it_proves_its_node(
    cluster: SmallCluster, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        other = server_context(Authority().serving("stranger", "127.0.0.1", node="stranger"))
        await cluster.add(stack, "stranger", Serve(other, {}))
        liar = server_context(cluster.serving("impostor", of="n1"))
        await cluster.add(stack, "impostor", Serve(liar, {}))
        running = await stack.enter_async_context(running_exporter(cluster, SystemClock()))
        found = await running.until(lambda found: len(by_node(found, VERIFIED)) == 4)
        assert by_node(found, VERIFIED) == {"n1": 1, "n2": 1, "stranger": 0, "impostor": 0}
        reasons = {dict(labels)["node"]: dict(labels)["reason"] for labels in found[FAILURE]}
        assert reasons == {"stranger": "unknown-authority", "impostor": "wrong-identity"}
        assert cluster.kubelets["stranger"].sent == b""
        assert cluster.kubelets["n1"].sent == b""


async def test_a_node_that_joins_is_dialled_at_once_and_of_one_that_goes_nothing_is_left(
    cluster: SmallCluster, exporter: RunningExporter
) -> None:
    await exporter.until(lambda found: set(by_node(found, VERIFIED)) == {"n1", "n2"})
    async with contextlib.AsyncExitStack() as stack:
        serve = Serve(server_context(cluster.serving("n3")), {})
        kubelet = await stack.enter_async_context(ScriptedKubelet(serve, SystemClock()))
        cluster.server.store.create(NODES, node_object("n3", kubelet.port))
        await exporter.until(lambda found: by_node(found, VERIFIED).get("n3") == 1)
    cluster.server.store.delete(NODES, "n1")
    await exporter.until(lambda found: "n1" not in by_node(found, VERIFIED))
    _, text = await exporter.get("/metrics")
    assert 'node="n1"' not in text
    assert 'node="n2"' in text


async def test_one_that_does_not_answer_is_told_and_does_not_keep_it_from_being_ready(
    cluster: SmallCluster,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await cluster.add(stack, "gone", SILENCE)
        running = await stack.enter_async_context(running_exporter(cluster, SystemClock()))
        found = await running.until(lambda found: len(by_node(found, VERIFIED)) == 2)
        unanswered = found["kubevouch_exporter_nodes_unanswered"]
        assert unanswered == {(("reason", "not-asked"),): 1.0}
        assert found["kubevouch_exporter_nodes"][()] == 3
        assert found["kubevouch_exporter_nodes_answered"][()] == 2
        code, text = await running.get("/readyz?verbose")
        assert (code, "[-]nodes-dialled failed" in text) == (500, True)
        assert (await running.get("/livez"))[0] == 200


async def test_what_it_serves_is_what_certs_shows(exporter: RunningExporter) -> None:
    await exporter.until(
        lambda found: READ in found and set(by_node(found, VERIFIED)) == {"n1", "n2"}
    )
    _, text = await exporter.get("/metrics")
    shown = await found_in_cluster(exporter.api, 5.0, lambda _: None, None)
    lines = "".join(exposition_of(rows_of(shown))).splitlines()
    assert len(lines) > 10
    assert set(lines) <= set(text.splitlines())
    ours = {line for line in text.splitlines() if line.startswith("kubevouch_certificate_")}
    assert ours <= set(lines)


async def test_it_is_ready_once_every_kubelet_was_dialled(exporter: RunningExporter) -> None:
    async with asyncio.timeout(GENEROUS):
        while (await exporter.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.05)
    found = await exporter.samples()
    assert set(by_node(found, VERIFIED)) == {"n1", "n2"}


async def test_it_asks_for_nothing_that_its_role_lacks(
    cluster: SmallCluster, exporter: RunningExporter
) -> None:
    """Against the manifest that we give to operators."""
    await exporter.until(lambda found: READ in found)
    allowed = rights(yaml.safe_load_all(RBAC.read_text("utf-8")))
    # system:auth-delegator, extension-apiserver-authentication-reader.
    assert cluster.asked() <= allowed | REVIEWS
    assert not [each for each in allowed if each[2] == "secrets"]


CSRS = "certificatesigningrequests"


async def test_what_may_not_be_read_is_counted_and_named_once_in_the_log(
    cluster: SmallCluster,
) -> None:
    cluster.server.authorize = lambda asked: asked.resource != CSRS
    async with running_exporter(cluster, SystemClock()) as exporter:
        found = await exporter.until(lambda found: READ in found)
        assert found["kubevouch_exporter_not_read"][()] == 1
        told = [each for each in exporter.lines if "Could not read a certificate" in each]
        [line] = told
        assert "the list of CSRs" in line
        assert "certificatesigningrequests" in line


async def test_an_address_of_a_kubelets_making_is_no_longer_than_a_label_may_be(
    cluster: SmallCluster, exporter: RunningExporter
) -> None:
    """A kubelet writes the addresses into its Node itself, and nobody bounds them."""
    node = node_object("n9", 10250)
    node["status"]["addresses"] = [{"type": "InternalIP", "address": "a" * 100_000}]
    cluster.server.store.create(NODES, node)
    await exporter.until(lambda found: by_node(found, VERIFIED).get("n9") == 0)
    _, text = await exporter.get("/metrics")
    assert "a" * 300 not in text
