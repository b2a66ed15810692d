"""A metrics server without its HTTP server: watches nodes and pods, scrapes kubelets, and stores their usage.

Several collectors can run in one process; they share only the CAs that they are given.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import NODES, Node
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import (
    PLACED_PODS,
    PLACED_ROWS,
    Fleet,
    PlacedPod,
    RunningPod,
    SharedTexts,
    fleet_node,
)
from kubevouch.metrics.scraper import KubeletAccess, ScrapeObserver, Scraper
from kubevouch.metrics.scraping import ScrapeSettings, first_of, unread
from kubevouch.metrics.store import MetricsStore

_RECENT: Final = 3.0
"""A ready node counts as scraped if a scrape succeeded within this many times --metric-resolution.
So a single failed scrape is tolerated."""


class Collector:
    """While `run` runs, `fleet` follows the cluster's nodes and pods, and `store` has their usage.

    api: an open client for the API server. Its credentials are never sent to kubelets. rng: returns
    a random number in [0, 1).
    """

    def __init__(
        self,
        api: ApiClient,
        access: KubeletAccess,
        *,
        clock: Clock,
        rng: Callable[[], float],
        observer: ScrapeObserver,
        settings: ScrapeSettings,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._observer = observer
        self._enough_were_read = False
        self.fleet = Fleet()
        self._listed: set[str] = set()
        self._texts = SharedTexts()
        self.store = MetricsStore(
            settings.interval, clock=clock, node_of=self._node_of, timeout=settings.timeout
        )
        self.scraper = Scraper(
            self.store, access, clock=clock, observer=observer, settings=settings
        )
        self._nodes = Watch(
            api,
            NODES,
            clock=clock,
            rng=rng,
            report=lambda error: observer.watch_failed("nodes", error),
            label_selector=settings.node_selector,
        )
        self._pods = Watch(
            api,
            PLACED_PODS,
            clock=clock,
            rng=rng,
            report=lambda error: observer.watch_failed("pods", error),
            field_selector="status.phase=Running",
            rows=PLACED_ROWS,
        )

    @property
    def held_back(self) -> str:
        """Why this server must not become ready although it has metrics; "" if it may.

        Every ready node must have had enough scrapes, or enough time, for its first usage
        (`Scraper.has_begun`): a rollout stops the old server once the new one is ready.
        --ready-min-nodes sets the share of ready nodes that must have been scraped recently. With
        --kubelet-insecure-tls the default is all ready nodes. Once this share is reached, later
        failures do not count: an unready server would get no requests at all.
        """
        if not self.fleet.synced:
            return "nodes have not been listed yet"
        if not self.scraper.has_begun:
            return "not every ready node has been measured twice yet"
        settings = self._settings
        share = settings.ready_min_nodes or (1.0 if settings.insecure else 0.0)
        if not share or self._enough_were_read:
            return ""
        recent = _RECENT * self._settings.interval
        ready = [node.name for node in self.fleet.nodes.values() if node.ready]
        missing = unread(ready, self.scraper.results, now=self._clock.now(), recent=recent)
        if missing and (len(ready) - len(missing)) / len(ready) < share:
            return f"ready nodes without fresh metrics: {first_of(missing)}; `kubevouch doctor` shows why"
        self._enough_were_read = True
        return ""

    def _node_of(self, key: PodKey) -> str:
        pod = self.fleet.pods.get(key)
        return "" if pod is None else pod.node

    async def run(self) -> None:
        """Watches and scrapes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            nodes = self._nodes.follow(self._put, self._remove, lambda: self._is_listed("nodes"))
            tasks.create_task(nodes)
            pods = self._pods.follow(
                self._put_pod, self.fleet.pods.remove, lambda: self._is_listed("pods")
            )
            tasks.create_task(pods)
            tasks.create_task(self.scraper.run())

    def _put(self, node: Node) -> None:
        found = fleet_node(node, self._settings)
        found = msgspec.structs.replace(found, labels=self._texts.labels(found.labels))
        before = self.fleet.nodes.get(found.name)
        self.fleet.nodes[found.name] = found
        if before != found:
            self.scraper.put(found)

    def _remove(self, key: tuple[str, str]) -> None:
        self.fleet.nodes.pop(key[1], None)
        self.scraper.remove(key[1])

    def _put_pod(self, pod: PlacedPod) -> None:
        namespace, node = self._texts.one(pod.namespace), self._texts.one(pod.spec.node_name)
        labels = self._texts.labels(pod.metadata.labels)
        self.fleet.pods.put(RunningPod(namespace, pod.name, labels, node))

    def _is_listed(self, what: str) -> None:
        selector = self._settings.node_selector
        if what == "nodes" and what not in self._listed and selector and not self.fleet.nodes:
            self._observer.selects_nothing(selector)
        self._listed.add(what)
        self.fleet.synced = self._listed == {"nodes", "pods"}


class RootsFile:
    """The CAs for kubelets, from a file that may be replaced. Can serve as KubeletAccess.roots.

    read: returns the file's content; called at most every `seconds`. While the content is unusable,
    the last good bundle stays in use. The constructor raises the error of the first read. report:
    called with each new reason why the file is unusable.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        clock: Clock,
        *,
        seconds: float = 60.0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._report = report
        self._wrong = ""
        self._roots = KubeletRoots(read())
        self._looked_at = clock.monotonic()

    def __call__(self) -> KubeletRoots:
        """The current bundle; the same object until the CAs change."""
        now = self._clock.monotonic()
        if now - self._looked_at >= self._seconds:
            self._looked_at = now
            self._roots = self._newest()
        return self._roots

    def _newest(self) -> KubeletRoots:
        try:
            pem = self._read()
            found = self._roots if pem == self._roots.pem else KubeletRoots(pem)
        except (OSError, ValueError, KubevouchError) as error:
            if str(error) != self._wrong:
                self._wrong = str(error)
                self._report(self._wrong)
            return self._roots
        self._wrong = ""
        return found
