"""Nodes by watch, scraped, paired and stored: all that a metrics server is, but for serving.

In a cluster and in-process alike: several of them live in one process. They share the listed authorities and the
code, and nothing else.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.io.fetch import Roots
from kubevouch.metrics.fleet import Dialling, Fleet, WatchedFleet
from kubevouch.metrics.points import PodKey
from kubevouch.metrics.scraper import Listener, Rhythm, Scraper, resolution_of
from kubevouch.metrics.store import Store


class Collector:
    """`await run()`; read `store` and `fleet` meanwhile. Nothing but cancelling ends it.

    api: an open client of the cluster; its credentials are not those for kubelets. credentials: what is sent to
    kubelets that were verified: the bearer token of a service account, never a client certificate. roots: asked for
    before each scrape; return the same object while nothing has changed. chance: a random number from 0 up to 1.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        roots: Callable[[], Roots],
        credentials: Credentials,
        clock: Clock,
        chance: Callable[[], float],
        listener: Listener,
        dialling: Dialling | None = None,
        rhythm: Rhythm | None = None,
        node_selector: str = "",
        check_time: bool = True,
    ) -> None:
        rhythm, dialling = rhythm or Rhythm(), dialling or Dialling()
        self.store = Store(resolution_of(rhythm))
        self._scraper = Scraper(
            self.store,
            roots=roots,
            credentials=credentials,
            clock=clock,
            chance=chance,
            listener=listener,
            rhythm=rhythm,
            address_types=dialling.address_types,
            node_of=self._node_of,
            check_time=check_time,
        )
        self._fleet = WatchedFleet(
            api,
            dialling,
            self._scraper,
            clock=clock,
            chance=chance,
            report=listener.watch_failed,
            node_selector=node_selector,
        )

    @property
    def fleet(self) -> Fleet:
        """Nodes and pods as the watches know them."""
        return self._fleet

    @property
    def last_round(self) -> datetime | None:
        """When the last round of scrapes began; None before the first."""
        return self._scraper.last_round

    def _node_of(self, pod: PodKey) -> str:
        found = self._fleet.pods.get(pod)
        return found.node if found else ""

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fleet.run())
            tasks.create_task(self._scraper.run())


class RootsFile:
    """The authorities of kubelets in a file that may be replaced: `RootsFile(read, clock)` is what Collector asks.

    read: the file's bytes now. Looked at once a minute; while what stands there cannot be used the last good bundle
    serves on. The first look raises what is wrong.
    """

    def __init__(self, read: Callable[[], bytes], clock: Clock, *, seconds: float = 60.0) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._roots = Roots(read())
        self._looked_at = clock.monotonic()

    def __call__(self) -> Roots:
        """The bundle as it is; the same object while nothing has changed."""
        now = self._clock.monotonic()
        if now - self._looked_at >= self._seconds:
            self._looked_at = now
            self._roots = self._newest()
        return self._roots

    def _newest(self) -> Roots:
        try:
            pem = self._read()
            return self._roots if pem == self._roots.pem else Roots(pem)
        except (OSError, ValueError, KubevouchError):
            return self._roots
