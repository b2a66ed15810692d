"""Scrapes every node, each in its own task and rhythm: a slow, silent or lying kubelet costs its own row only.

The first scrapes of all nodes are spread by chance, as metrics-server spreads each round (8 ms a node, pkg/scraper);
then each node is asked every `resolution` from its own beginning on, with a little chance again. What a page says
goes into the store the moment it is there, and waits for nobody.
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
    """Seconds. resolution: from one scrape of a node to the next. timeout: of one scrape. at_once: scrapes in hand."""

    resolution: float = 15.0
    timeout: float = 10.0
    concurrency: int = 1000


class ScrapeObserver(Protocol):
    """Who is told what happens: log lines and the server's own metrics are made of it."""

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """One scrape ended; failure is None for a good one."""
        ...

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """A node tells of pods that run elsewhere, or of which another node told before: they are no sample."""
        ...

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """A page without a whole metric of the node, or of some pods."""
        ...

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """The watch of "nodes" or "pods" failed, and is tried again."""
        ...


class Scraper:
    """`run` until cancelled; `put` and `remove` nodes meanwhile. Listed in `kubelet.fetch`: what is verified first.

    roots: the authorities of kubelets, asked for before each scrape, so that a new bundle serves at once.
    node_of: where a pod runs, as the API server has it; "" if that is not known (yet).
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
        """When the last round began: metrics-server's metric-collection-timely looks at it."""

    def put(self, node: FleetNode) -> None:
        """A node is new, or is to be reached in another way from its next scrape on."""
        self._nodes[node.name] = node
        if node.name not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._follow(node.name))
            self._tasks[node.name] = task

    def remove(self, name: str) -> None:
        """A node is gone, and its row with it."""
        self._nodes.pop(name, None)
        if task := self._tasks.pop(name, None):
            task.cancel()
        self._store.remove_node(name)

    async def run(self) -> None:
        """Marks the rounds, for ever; when it is cancelled every scrape ends and every connection is closed."""
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
        """One node, for ever."""
        resolution = self._settings.resolution
        # Not all at once; those that come last, at the same time as others, need a wider spread.
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
        except Exception as error:  # noqa: BLE001 - a fault of ours with one node's bytes must not end the others
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
            # A service account's token is replaced in its file while this runs.
            newer = await self._credentials.renewed(credential)
            if newer is None:
                raise
        return await self._page(kubelet, node, newer), asked_at

    async def _page(
        self, kubelet: VerifiedKubelet, node: FleetNode, credential: Credential
    ) -> bytes:
        # Never the pair: a client certificate would be shown before the peer has proven who it is.
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
    """The verified connection of one node; another one when the node is to be reached in another way.

    It also knows how the node's last page was laid out, which makes the next one cheap to read.
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
    """For the store."""
    return timedelta(seconds=settings.resolution)
