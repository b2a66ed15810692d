"""A metrics server without its HTTP server: it watches nodes and pods, scrapes kubelets, and stores their usage.

Several collectors can run in one process; they share nothing but the authorities they are given.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.io.fetch import KubeletRoots
from kubevouch.metrics.fleet import Fleet, KubeletAddressing, WatchedFleet
from kubevouch.metrics.points import PodKey
from kubevouch.metrics.scraper import ScrapeObserver, Scraper, ScrapeSettings, resolution_of
from kubevouch.metrics.store import MetricsStore


class Collector:
    """Keeps `store` and `fleet` up to date while `run` runs.

    api: an open client of the cluster; its credentials are not those for kubelets. credentials: what verified kubelets
    are sent: the bearer token of a service account, never a client certificate. roots: called before each scrape; it
    must return the same object while nothing has changed. rng: returns a random number in [0, 1).
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        roots: Callable[[], KubeletRoots],
        credentials: Credentials,
        clock: Clock,
        rng: Callable[[], float],
        observer: ScrapeObserver,
        addressing: KubeletAddressing | None = None,
        settings: ScrapeSettings | None = None,
        node_selector: str = "",
        check_time: bool = True,
    ) -> None:
        settings, addressing = settings or ScrapeSettings(), addressing or KubeletAddressing()
        self.store = MetricsStore(resolution_of(settings), clock=clock, node_of=self._node_of)
        self._scraper = Scraper(
            self.store,
            roots=roots,
            credentials=credentials,
            clock=clock,
            observer=observer,
            settings=settings,
            address_types=addressing.address_types,
            check_time=check_time,
        )
        self._fleet = WatchedFleet(
            api,
            addressing,
            self._scraper,
            clock=clock,
            rng=rng,
            report=observer.watch_failed,
            node_selector=node_selector,
        )

    @property
    def fleet(self) -> Fleet:
        """The nodes and pods of the cluster, as of the last watch event."""
        return self._fleet

    @property
    def last_round(self) -> datetime:
        """The moment up to which every node has been scraped when it was due."""
        return self._scraper.last_round

    def _node_of(self, pod: PodKey) -> str:
        found = self._fleet.pods.get(pod)
        return found.node if found else ""

    async def run(self) -> None:
        """Watches and scrapes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fleet.run())
            tasks.create_task(self._scraper.run())


class RootsFile:
    """The authorities of kubelets in a file that may be replaced: pass an instance as Collector's `roots`.

    read: returns the file's content. It is read again every `seconds`; a content that cannot be used leaves the last
    good bundle in force. The first read raises its error.
    """

    def __init__(self, read: Callable[[], bytes], clock: Clock, *, seconds: float = 60.0) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._roots = KubeletRoots(read())
        self._looked_at = clock.monotonic()

    def __call__(self) -> KubeletRoots:
        """The current bundle; the same object while nothing has changed."""
        now = self._clock.monotonic()
        if now - self._looked_at >= self._seconds:
            self._looked_at = now
            self._roots = self._newest()
        return self._roots

    def _newest(self) -> KubeletRoots:
        try:
            pem = self._read()
            return self._roots if pem == self._roots.pem else KubeletRoots(pem)
        except (OSError, ValueError, KubevouchError):
            return self._roots
