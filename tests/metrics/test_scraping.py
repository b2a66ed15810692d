"""The collector against kubelets on the wire: each costs its own row only, and none gets a token that is not its node."""

import re
from datetime import timedelta
from typing import Any

import pytest

from kubevouch.kube.errors import Forbidden
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.scraping import ADDRESS_TYPES
from kubevouch.metrics.store import PodUsage
from kubevouch_lab.apiserver import status
from tests.metrics.conftest import (
    ADDRESS,
    NODE,
    PATH,
    POD,
    Cluster,
    Live,
    Page,
    nodes_served,
    pods_served,
)
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted import faults
from tests.support.scripted.kubelet import NO_CERTIFICATE, Serve
from tests.support.unhurried import until


def pod_using(collector: Collector, nanocores: int) -> PodUsage:
    """What is served of the pod n1-0: it uses so much."""
    pod = collector.store.pod("ns", "n1-0")
    assert pod is not None
    assert pod.containers[0].cpu_nanocores == nanocores
    return pod


def placed(collector: Collector) -> str:
    """The node of the pod n1-0 by the API server; "" if it is not known."""
    pod = collector.fleet.pods.get(("ns", "n1-0"))
    return "" if pod is None else pod.node


async def test_two_scrapes_make_rows(cluster: Cluster) -> None:
    for name in ("n1", "n2", "n3"):
        await cluster.add(name)
    async with cluster.collecting() as collector:
        store = collector.store
        assert await cluster.round() == {"n1": None, "n2": None, "n3": None}
        assert nodes_served(collector) == {}
        assert not store.node_points
        await cluster.round()
        assert sorted(nodes_served(collector)) == ["n1", "n2", "n3"]
        assert sorted(pods_served(collector)) == [("ns", "n1-0"), ("ns", "n2-0"), ("ns", "n3-0")]
        assert (store.node_points, store.container_points) == (3, 3)
        usage = store.node("n1")
    assert usage is not None
    assert (usage.cpu_nanocores, usage.memory_bytes) == (500_000_000, 1_000_002)
    assert usage.window_ns == 15 * 10**9
    assert usage.timestamp_ns == (1_795_000_000 + 1000 + 30) * 10**9
    pod = store.pod("ns", "n1-0")
    assert pod is not None
    [container] = pod.containers
    assert (container.name, container.cpu_nanocores) == ("c", 50_000_000)
    assert container.memory_bytes == 2048
    assert cluster.heard.troubles == []


async def test_a_connection_is_kept_between_rounds_and_closed_at_the_end(
    cluster: Cluster,
) -> None:
    running = await cluster.add("n1")
    async with cluster.collecting():
        await cluster.rounds(3)
        assert len(running.seen) == 1
        assert running.sent.count(b"GET /metrics/resource ") == 3
    await until(lambda: not running.open)


async def test_a_failed_scrape_leaves_the_row_as_it_was_until_too_old(
    cluster: Cluster,
) -> None:
    running = await cluster.add("n1")
    good = running.behaviour
    async with cluster.collecting() as collector:
        store = collector.store
        await cluster.round()
        await cluster.round()
        node, pod = store.node("n1"), store.pod("ns", "n1-0")
        assert node is not None
        assert pod is not None
        read_at = collector.scraper.results["n1"].read_at
        # The kubelet restarts, and has no certificate for a while.
        running.behaviour = NO_CERTIFICATE
        for seconds in (15, 31, 46, 62):
            running.cut()
            await cluster.round()
            # Three resolutions, and as long as the third scrape may take.
            served = seconds <= 45 + 10
            assert store.node("n1") == (node if served else None)
            assert store.pod("ns", "n1-0") == (pod if served else None)
            assert (bool(store.node_points), bool(store.container_points)) == (served, served)
            failure = cluster.heard.refused("n1")
            assert failure.text.endswith("remote error: tls: internal error")
            assert collector.scraper.results["n1"].read_at == read_at
        running.behaviour = good
        await cluster.round()
        assert nodes_served(collector) == {}
        assert cluster.heard.failure("n1") is None
        await cluster.round()
        assert store.node("n1") is not None
        assert store.pod("ns", "n1-0") is not None


@pytest.mark.parametrize("failed", [1, 2])
async def test_after_failed_scrapes_the_next_good_one_is_enough(
    cluster: Cluster, failed: int
) -> None:
    """Also if it takes longer than the last good one took."""
    running = await cluster.add("n1")
    good = running.behaviour
    async with cluster.collecting() as collector:
        for behaviour in (good, good, *[NO_CERTIFICATE] * failed, good):
            running.behaviour = behaviour
            running.cut()
            await cluster.round()
        usage = collector.store.node("n1")
    assert usage is not None
    assert usage.timestamp_ns == (1_795_000_000 + 1000 + 45) * 10**9


async def test_nodes_come_and_go(cluster: Cluster) -> None:
    first = await cluster.add("n1")
    async with cluster.collecting() as collector:
        await cluster.round()
        await cluster.add("n2")
        await cluster.heard.until(lambda: "n2" in collector.fleet.nodes)
        await cluster.round()
        await cluster.round()
        assert sorted(nodes_served(collector)) == ["n1", "n2"]
        cluster.server.store.delete(NODE, "n1")
        await cluster.heard.until(lambda: "n1" not in collector.fleet.nodes)
        assert sorted(nodes_served(collector)) == ["n2"]
        assert sorted(pods_served(collector)) == [("ns", "n2-0")]
        assert cluster.heard.gone == ["n1"]
        await until(lambda: not first.open)
        asked = first.sent.count(b"GET ")
        await cluster.round("n2")
        assert first.sent.count(b"GET ") == asked


async def test_a_node_that_moved_is_dialled_at_its_new_place(cluster: Cluster) -> None:
    old = await cluster.add("n1")
    async with cluster.collecting() as collector:
        await cluster.round()
        new = await cluster.add("spare", cluster.serve("n1"))
        cluster.server.store.delete(NODE, "spare")

        def moved(thing: dict[str, object]) -> dict[str, object]:
            made = cluster._node("n1", new)
            return {**thing, "status": made["status"]}

        cluster.server.store.change(NODE, ("", "n1"), moved)
        await cluster.heard.until(lambda: collector.fleet.nodes["n1"].port == new.port)
        del cluster.kubelets["spare"]
        await cluster.round("n1")
        assert new.sent.count(b"GET ") == 1
        assert old.sent.count(b"GET ") == 1


async def test_a_node_that_tells_of_anothers_pods_does_not_take_them(cluster: Cluster) -> None:
    await cluster.add("n1")
    async with cluster.collecting() as collector:
        await cluster.round()
        thief = Serve(cluster.serve("n2").context, Live(Page("n1", cores=9.0)))
        await cluster.add("n2", thief)
        await cluster.heard.until(lambda: "n2" in collector.fleet.nodes)
        await cluster.rounds(3)
        pod_using(collector, 50_000_000)
        assert cluster.heard.duplicates[0] == ("n2", (("ns", "n1-0"),))


async def test_a_pod_that_moved_has_its_new_nodes_numbers_at_once(cluster: Cluster) -> None:
    """The old node's kubelet still reports it; the new one's reported it before the API server did."""
    await cluster.add("n1")
    await cluster.add("n2", Serve(cluster.serve("n2").context, Live(Page("n1", cores=9.0))))
    async with cluster.collecting() as collector:
        await cluster.rounds(2)

        cluster.server.store.change(
            POD, ("ns", "n1-0"), lambda thing: {**thing, "spec": {"nodeName": "n2"}}
        )
        await cluster.heard.until(lambda: placed(collector) == "n2")
        pod = pod_using(collector, 900_000_000)
        assert pods_served(collector) == {("ns", "n1-0"): pod}
        cluster.server.store.change(
            POD, ("ns", "n1-0"), lambda thing: {**thing, "spec": {"nodeName": "n3"}}
        )
        await cluster.heard.until(lambda: placed(collector) == "n3")
        assert collector.store.pod("ns", "n1-0") is None


async def test_a_node_that_tells_first_of_anothers_pod_does_not_have_it_either(
    cluster: Cluster,
) -> None:
    """The API server knows where it runs; a liar is faster than whoever starts later."""
    cluster.pod("n1-0", node="n1")
    await cluster.add("thief", Serve(cluster.serve("thief").context, Live(Page("n1", cores=9.0))))
    async with cluster.collecting() as collector:
        await cluster.heard.until(lambda: placed(collector) == "n1")
        await cluster.rounds(3)
        assert collector.store.pod("ns", "n1-0") is None
        assert collector.store.node("thief") is not None
        assert cluster.heard.duplicates[-1] == ("thief", (("ns", "n1-0"),))
        await cluster.add("n1", cluster.serve("n1"))
        await cluster.heard.until(lambda: "n1" in collector.fleet.nodes)
        await cluster.rounds(2)
        pod_using(collector, 50_000_000)


async def test_a_new_token_is_sent_once_it_lies_in_its_file(cluster: Cluster) -> None:
    running = await cluster.add("n1")
    async with cluster.collecting():
        await cluster.round()
        cluster.token.write_text("second-token")
        cluster.clock.jump(timedelta(seconds=60))
        await cluster.round()
    # Whether a minute that is over at once holds one scrape or two is left open.
    tokens = re.findall(rb"Authorization: Bearer (\S+)\r\n", running.sent)
    assert tokens[0] == b"first-token"
    assert set(tokens[1:]) == {b"second-token"}


async def test_a_new_authority_is_believed_from_the_next_scrape_on(cluster: Cluster) -> None:
    """And the old one no more, also on connections that are open."""
    new = Authority("a new one")
    serve = cluster.serve("n2")
    pair = new.serving(ADDRESS, node="n2")
    old = await cluster.add("n1")
    await cluster.add("n2", Serve(server_context(pair), serve.answers))
    async with cluster.collecting():
        before = await cluster.round()
        cluster.roots = KubeletRoots(new.pem)
        after = await cluster.round()
    assert [name for name, failure in before.items() if failure] == ["n2"]
    assert [name for name, failure in after.items() if failure] == ["n1"]
    assert old.sent.count(b"GET ") == 1


async def test_a_token_that_is_refused_is_read_again_at_once(cluster: Cluster) -> None:
    serve = cluster.serve("n1")
    running = await cluster.add("n1", Serve(serve.context, {PATH: (401, b"Unauthorized")}))
    async with cluster.collecting():
        await cluster.round()
        assert running.sent.count(b"GET ") == 1
        cluster.token.write_text("second-token")
        await cluster.round()
    assert running.sent.count(b"Bearer first-token") == 2
    assert running.sent.count(b"Bearer second-token") == 1
    failure = cluster.heard.refused("n1")
    assert (failure.reason, failure.text) == (
        "http-401",
        'request failed, status: "401 Scripted"',
    )


async def test_without_a_token_nothing_is_asked(cluster: Cluster) -> None:
    running = await cluster.add("n1")
    cluster.token.unlink()
    async with cluster.collecting():
        await cluster.round()
    failure = cluster.heard.refused("n1")
    assert failure.reason == "credential"
    assert running.sent == b""


LACKING = b'container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 1 7\n'


@pytest.mark.parametrize(
    ("page", "pods"),
    [
        (b"", ()),
        (b"scrape_error 1\nresource_scrape_error 1\n", ()),
        (LACKING + b"node_memory_working_set_bytes 5 7\n", (("ns", "p"),)),
    ],
)
async def test_a_kubelet_that_says_nothing_of_its_node_is_not_read(
    cluster: Cluster, page: bytes, pods: tuple[tuple[str, str], ...]
) -> None:
    """`<unknown>` has a reason in the log and in the metrics then, as where nobody answers."""
    await cluster.add("n1", Serve(cluster.serve("n1").context, {PATH: (200, page)}))
    async with cluster.collecting() as collector:
        failure = await cluster.refusal("n1")
        assert failure.reason == "no-usage"
        assert failure.text == "the kubelet reports no CPU or memory for the node"
        assert cluster.heard.incompletes == [("n1", True, pods)]
        result = collector.scraper.results["n1"]
        assert (result.reason, result.read_at) == ("no-usage", None)


async def test_pods_are_served_of_a_kubelet_that_says_nothing_of_its_node(cluster: Cluster) -> None:
    class OfPodsOnly(Live):
        def get(self, path: str, otherwise: Any = None) -> Any:
            code, page = super().get(path)
            return code, page.split(b"# TYPE node_")[0]

    cluster.pod("n1-0", node="n1")
    await cluster.add("n1", Serve(cluster.serve("n1").context, OfPodsOnly(Page("n1"))))
    async with cluster.collecting() as collector:
        await cluster.rounds(2)
        assert list(pods_served(collector)) == [("ns", "n1-0")]
        assert cluster.heard.failure("n1") is not None


async def test_running_pods_are_known_by_their_labels(cluster: Cluster) -> None:
    cluster.pod("runs", app="web")
    cluster.pod("done", phase="Succeeded")
    async with cluster.collecting() as collector:
        assert {pod.name: dict(pod.labels) for pod in collector.fleet.pods.everywhere()} == {
            "runs": {"app": "web"}
        }
        cluster.pod("later", app="db")
        await cluster.heard.until(lambda: collector.fleet.pods.get(("ns", "later")) is not None)


async def test_an_api_server_that_refuses_is_told_and_the_scrapes_go_on(cluster: Cluster) -> None:
    await cluster.add("n1")
    async with cluster.collecting() as collector:
        await cluster.round()
        cluster.server.faults.on(
            "/api/v1/nodes", faults.refuse(status.forbidden("", "nodes", "", "no"))
        )
        await cluster.server.watches.cut()
        await cluster.heard.until(lambda: len(cluster.heard.troubles) == 2)
        await cluster.rounds(2)
        assert collector.store.node("n1") is not None
        told = [(name, type(error)) for name, error in cluster.heard.troubles]
        assert ("nodes", Forbidden) in told
        assert ("pods", Forbidden) not in told


def test_the_default_order_of_addresses_is_that_of_metrics_server() -> None:
    assert ADDRESS_TYPES == (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
