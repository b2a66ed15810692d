"""Scrapes every node in a task of its own: a slow, silent or lying kubelet affects its own row only.

The first scrapes are spread at random, as metrics-server spreads each round (8 ms a node, pkg/scraper). Then each node
is scraped every `resolution` from its own start, with a little jitter. A page is stored as soon as it is read.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.credentials import Credential, Credentials
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.io.fetch import FetchFailed, KubeletRoots, VerifiedKubelet
from kubevouch.kubelet.resource_metrics import LARGEST, read_resource_metrics
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.points import NodePoints, PodKey, points_of
from kubevouch.metrics.quick_points import Layout, quick_points
from kubevouch.metrics.store import MetricsStore, ScrapeFailure

_DELAY_A_NODE: Final = 0.008
_SPREAD_AT_MOST: Final = 0.8
_JITTER: Final = 0.03


class ScrapeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """resolution: seconds between two scrapes of a node. timeout: seconds for one. concurrency: scrapes in flight."""

    resolution: float = 15.0
    timeout: float = 10.0
    concurrency: int = 1000


class ScrapeObserver(Protocol):
    """Called for what happens while scraping, to write log lines and the server's own metrics."""

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """A scrape ended; failure is None if it succeeded."""
        ...

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """A node reported pods that run elsewhere, or that another node reported first: their samples are dropped."""
        ...

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """A page lacks CPU or memory of the node itself, or of some pods."""
        ...

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """The watch of "nodes" or "pods" failed, and will be tried again."""
        ...


class Scraper:
    """Scrapes the nodes that `put` adds and `remove` removes. `kubelet.io.fetch` verifies each kubelet first.

    roots: called before each scrape for the authorities of kubelets, so that a new bundle is used at once.
    node_of: the name of a pod's node, as the API server has it; "" if it is not known (yet).
    check_time: see VerifiedKubelet.
    """

    def __init__(
        self,
        store: MetricsStore,
        *,
        roots: Callable[[], KubeletRoots],
        credentials: Credentials,
        clock: Clock,
        rng: Callable[[], float],
        observer: ScrapeObserver,
        settings: ScrapeSettings,
        address_types: tuple[str, ...],
        node_of: Callable[[PodKey], str],
        check_time: bool = True,
    ) -> None:
        self._store = store
        self._roots = roots
        self._credentials = credentials
        self._clock = clock
        self._rng = rng
        self._observer = observer
        self._settings = settings
        self._no_address = f"no address matched types [{' '.join(address_types)}]"
        self._node_of = node_of
        self._check_time = check_time
        self._nodes: dict[str, FleetNode] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self.last_round: datetime | None = None
        """When the last round began, for metrics-server's check metric-collection-timely."""

    def put(self, node: FleetNode) -> None:
        """Adds a node, or changes how it is reached from its next scrape on."""
        self._nodes[node.name] = node
        if node.name not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._follow(node.name))
            self._tasks[node.name] = task

    def remove(self, name: str) -> None:
        """Removes a node and its row."""
        self._nodes.pop(name, None)
        if task := self._tasks.pop(name, None):
            task.cancel()
        self._store.remove_node(name)

    async def run(self) -> None:
        """Marks the rounds until cancelled; then ends every scrape and closes every connection."""
        try:
            while True:
                self.last_round = self._clock.now()
                await self._clock.sleep(self._settings.resolution)
        finally:
            tasks = tuple(self._tasks.values())
            self._tasks.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, name: str) -> None:
        """Scrapes one node until cancelled."""
        resolution = self._settings.resolution
        # The more nodes there are, the wider their first scrapes are spread.
        spread = min(_DELAY_A_NODE * len(self._nodes), _SPREAD_AT_MOST * resolution)
        due = self._clock.monotonic() + self._rng() * spread
        connection = _KubeletConnection(self._clock, check_time=self._check_time)
        try:
            while True:
                jitter = self._rng() * _JITTER * resolution
                await self._clock.sleep(due + jitter - self._clock.monotonic())
                async with self._slots:
                    await self._scrape(self._nodes[name], connection)
                late = self._clock.monotonic() - due
                due += resolution * max(1, int(late / resolution) + 1)
        finally:
            connection.close()

    async def _scrape(self, node: FleetNode, connection: "_KubeletConnection") -> None:
        began = self._clock.monotonic()
        failure = None
        try:
            body, asked_at = await self._fetched(node, connection)
            self._keep(node, connection, body, asked_at)
        except FetchFailed as error:
            failure = self._failure(node, error.reason, error.text, timed_out=error.timed_out)
        except AnswerError as error:
            failure = self._failure(node, "unreadable", f"failed parsing metrics: {error}")
        except KubevouchError as error:
            failure = self._failure(node, "credential", str(error))
        except Exception as error:  # noqa: BLE001 - an error of ours with one node's page must not end other scrapes
            failure = self._failure(node, "internal", f"{type(error).__name__}: please report this")
        if failure is not None:
            self._store.record_failure(node.name, failure)
        self._observer.scraped(node, self._clock.monotonic() - began, failure)

    async def _fetched(
        self, node: FleetNode, connection: "_KubeletConnection"
    ) -> tuple[bytes, datetime]:
        if not node.address:
            raise FetchFailed(node.name, "no-address", self._no_address)
        kubelet = connection.to(node, self._roots())
        credential = await self._credentials.current()
        asked_at = self._clock.now()
        try:
            return await self._page(kubelet, node, credential), asked_at
        except FetchFailed as error:
            if error.reason != "http-401":
                raise
            # The service account's token in its file is replaced from time to time.
            newer = await self._credentials.renewed(credential)
            if newer is None:
                raise
        return await self._page(kubelet, node, newer), asked_at

    async def _page(
        self, kubelet: VerifiedKubelet, node: FleetNode, credential: Credential
    ) -> bytes:
        # Never the key pair: a client certificate would be presented before the peer is verified.
        return await kubelet.page(
            node.path, credential.authorization, timeout=self._settings.timeout, most=LARGEST
        )

    def _keep(
        self, node: FleetNode, connection: "_KubeletConnection", body: bytes, asked_at: datetime
    ) -> None:
        points = connection.quick_points(body)
        if points is None:
            page = read_resource_metrics(body, f"node {node.name}")
            points = points_of(page, int(asked_at.timestamp() * 1000))
        foreign = self._store.record(node.name, points, self._node_of)
        if foreign:
            self._observer.duplicate(node, foreign)
        if points.node is None or points.incomplete:
            self._observer.incomplete(node, node_itself=points.node is None, pods=points.incomplete)

    def _failure(
        self, node: FleetNode, reason: str, text: str, *, timed_out: bool = False
    ) -> ScrapeFailure:
        now = self._clock.now()
        return ScrapeFailure(node.name, reason, text, now, now, timed_out)


class _KubeletConnection:
    """The verified connection to one node; it is replaced when the node's address or the authorities change.

    It also keeps the layout of the node's last page, which makes the next page cheap to read.
    """

    def __init__(self, clock: Clock, *, check_time: bool) -> None:
        self._clock = clock
        self._check_time = check_time
        self._roots: KubeletRoots | None = None
        self._kubelet: VerifiedKubelet | None = None
        self._layout = Layout()

    def quick_points(self, body: bytes) -> NodePoints | None:
        found = quick_points(body, self._layout)
        if found is None:
            return None
        points, self._layout = found
        return points

    def to(self, node: FleetNode, roots: KubeletRoots) -> VerifiedKubelet:
        target = Target(node.address, node.name, node.port)
        kept = self._kubelet
        if kept is not None and kept.target == target and self._roots is roots:
            return kept
        self.close()
        made = VerifiedKubelet(target, roots, clock=self._clock, check_time=self._check_time)
        self._kubelet, self._roots = made, roots
        return made

    def close(self) -> None:
        if self._kubelet is not None:
            self._kubelet.close()
            self._kubelet = None


def resolution_of(settings: ScrapeSettings) -> timedelta:
    """The resolution as a timedelta, for the store."""
    return timedelta(seconds=settings.resolution)
