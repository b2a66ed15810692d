"""Liveness looks at what was really done: a node's task that dies is started again, and one that hangs is seen."""

import asyncio
from datetime import timedelta

from kubevouch.kube.io.credentials import Credential
from kubevouch.kube.resources import Node
from kubevouch.kube.resources.meta import Metadata
from kubevouch.metrics.fleet import fleet_node
from kubevouch.metrics.scraper import KubeletAccess, Scraper
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.store import MetricsStore
from tests.metrics.conftest import Cluster, Heard, nodes_served
from tests.support.scripted.kubelet import SILENCE


class NoCredentials:
    """Credentials that never come."""

    async def current(self) -> Credential:
        await asyncio.Event().wait()
        raise AssertionError

    async def renewed(self, refused: Credential) -> None:
        return None


def age(cluster: Cluster, of: object) -> float:
    """Seconds since the last round, as the probe sees them."""
    return (cluster.clock.now() - of).total_seconds()  # type: ignore[operator, no-any-return]


async def test_while_nodes_are_scraped_the_last_round_is_never_old(cluster: Cluster) -> None:
    await cluster.add("n1")
    await cluster.add("n2")
    async with cluster.collecting() as collector:
        for _ in range(3):
            await cluster.round()
            await cluster.heard.until(lambda: cluster.clock.asleep == 2)
            assert age(cluster, collector.scraper.last_round) == 0
            await cluster.clock.pass_(1.0)
            # The next scrapes may be due by now, but not for long.
            assert age(cluster, collector.scraper.last_round) <= 1.0


async def test_a_scrape_that_never_ends_makes_the_last_round_old(cluster: Cluster) -> None:
    await cluster.add("n1")
    async with cluster.collecting(credentials=NoCredentials()) as collector:
        await cluster.heard.until(lambda: cluster.clock.asleep == 1)
        await cluster.clock.pass_(1.0)
        await cluster.heard.until(lambda: cluster.clock.asleep == 0)
        cluster.clock.jump(timedelta(seconds=22))
        assert age(cluster, collector.scraper.last_round) > 22


async def test_kubelets_that_say_nothing_leave_the_last_round_young(cluster: Cluster) -> None:
    """It would help nobody to start the server again."""
    for name in ("n1", "n2", "n3"):
        await cluster.add(name, SILENCE)
    await cluster.add("good")
    settings = ScrapeSettings(timeout=0.2)
    async with cluster.collecting(settings=settings) as collector:
        await cluster.round()
        for _ in range(2):
            await cluster.heard.until(lambda: cluster.clock.asleep == 4)
            await cluster.round("good")
            await cluster.heard.until(lambda: cluster.clock.asleep >= 1)
            assert age(cluster, collector.scraper.last_round) < 16


async def test_an_observer_that_raises_ends_nothing(cluster: Cluster) -> None:
    await cluster.add("n1")
    cluster.heard.complaint = ValueError("a full disk, say")
    async with cluster.collecting() as collector:
        await cluster.rounds(3)
        assert collector.store.node("n1") is not None
        assert cluster.heard.restarts == []


async def test_a_task_that_dies_is_started_again_and_told_of(cluster: Cluster) -> None:
    await cluster.add("n1")
    await cluster.add("n2")
    async with cluster.collecting() as collector:
        await cluster.round()
        await cluster.heard.until(lambda: cluster.clock.asleep == 2)
        [task] = [each for each in asyncio.all_tasks() if each.get_name() == "scrape n1"]
        task.cancel("a stray cancellation")
        await cluster.heard.until(lambda: bool(cluster.heard.restarts))
        assert cluster.heard.restarts == [("n1", None)]
        await cluster.round()
        assert sorted(nodes_served(collector)) == ["n1", "n2"]
        assert len(cluster.heard.restarts) == 1


async def test_an_error_of_ours_in_a_nodes_task_is_told_with_its_text(cluster: Cluster) -> None:
    """The clock stands for whatever the task does outside of a scrape."""
    await cluster.add("n1")
    async with cluster.collecting() as collector:
        await cluster.round()
        whole, calls = cluster.clock.sleep, 0

        async def broken(seconds: float) -> None:
            nonlocal calls
            calls += seconds > 0
            if seconds > 0 and calls == 1:
                raise RuntimeError("no timer")
            await whole(seconds)

        await cluster.heard.until(lambda: cluster.clock.asleep == 1)
        cluster.clock.sleep = broken  # type: ignore[method-assign]
        await cluster.clock.pass_(15.5)
        await cluster.heard.until(lambda: bool(cluster.heard.restarts))
        [(name, error)] = cluster.heard.restarts
        assert (name, repr(error)) == ("n1", "RuntimeError('no timer')")
        await cluster.round()
        assert collector.store.node("n1") is not None


async def test_a_selector_that_no_node_matches_is_told_once_the_nodes_were_listed(
    cluster: Cluster,
) -> None:
    """Else the server would never be ready, and say nothing about it."""
    await cluster.add("n1")
    async with cluster.collecting(settings=ScrapeSettings(node_selector="pool=none")) as collector:
        assert cluster.heard.unselected == ["pool=none"]
        assert collector.held_back
    heard = Heard()
    async with cluster.collecting(heard=heard) as collector:
        assert list(collector.fleet.nodes) == ["n1"]
        assert heard.unselected == []


async def test_a_node_that_is_seen_while_the_scraper_ends_is_not_scraped(cluster: Cluster) -> None:
    """The watch of nodes is cancelled a moment later than the scraper, and nobody would end a task that begins then."""
    scraper = Scraper(
        MetricsStore(timedelta(seconds=15), clock=cluster.clock, node_of=lambda _: ""),
        KubeletAccess(lambda: cluster.roots, NoCredentials()),
        clock=cluster.clock,
        observer=cluster.heard,
        settings=ScrapeSettings(),
    )
    running = asyncio.create_task(scraper.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    late = fleet_node(Node(metadata=Metadata(name="late")), ScrapeSettings())
    scraper.put(late)
    assert "scrape late" not in {task.get_name() for task in asyncio.all_tasks()}
    # What the watch tells of it then is no error.
    scraper.put(late)
    scraper.remove("late")
