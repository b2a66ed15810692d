"""Scrapes each node in its own task, so a slow or hostile kubelet affects only its own metrics.

A new node is scraped soon, then once per --metric-resolution, at a time that depends on its name
(`moments.phase_of`). No node waits for another, and each has at most one connection. A task that
dies is restarted.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, ParamSpec, Protocol

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.io.fetch import FetchFailed, KubeletClient
from kubevouch.kubelet.io.names import LookUp, NameResolver, system_look_up
from kubevouch.kubelet.io.time_limits import TimeLimits
from kubevouch.kubelet.io.trust import KubeletRoots, KubeletTrust
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import LONGEST_PATH, METRICS_PATH, FleetNode
from kubevouch.metrics.pages import LARGEST, Page, reading
from kubevouch.metrics.quick_pages import PageForm, page_form, quick_page
from kubevouch.metrics.scraping import ScrapeFailure, ScrapeResult, ScrapeSettings
from kubevouch.metrics.store import MetricsStore
from kubevouch.metrics.wakeups import WakeUps
from kubevouch.moments import next_moment, phase_of

P = ParamSpec("P")

_NO_USAGE: Final = "the kubelet reports no CPU or memory for the node"
_PATH_TOO_LONG: Final = (
    f"the Node's annotation {METRICS_PATH} is longer than {LONGEST_PATH} characters"
)
_DELAY_A_NODE: Final = 0.008
_SPREAD_AT_MOST: Final = 0.8
_SCRAPES_FOR_USAGE: Final = 2
_MOST_SCRAPES_AWAITED: Final = 3


class ScrapeObserver(Protocol):
    """Receives the events of scrapes, scrape tasks and watches.

    The scraper ignores exceptions of an observer, so they cannot end a scrape.
    """

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """Called after each scrape. failure: None if the scrape succeeded."""
        ...

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """Called if a node reported pods that run on another node. This usage is not served."""
        ...

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """Called if a kubelet reports no CPU or no memory for the node itself, or for some pods."""
        ...

    def doubted(self, node: FleetNode, doubt: str) -> None:
        """Called if a scraped kubelet is unverified, unless it was in the scrape before, too."""
        ...

    def restarted(self, node: FleetNode, error: BaseException | None) -> None:
        """Called if a node's task died and is restarted. error: None if the task was cancelled from outside."""
        ...

    def removed(self, name: str) -> None:
        """Called if a node has left the cluster."""
        ...

    def selects_nothing(self, node_selector: str) -> None:
        """Called if the first list of nodes with --node-selector is empty."""
        ...

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """Called if the watch of "nodes" or "pods" failed. It will be retried."""
        ...


@dataclass(frozen=True, slots=True)
class KubeletAccess:
    """How to reach kubelets.

    roots: returns the CAs for kubelets; called before each scrape. It must return the same object
    until the CAs change. credentials: the source of the bearer token, which only verified kubelets
    get. A client certificate in it is not used. certificate: the source of the client certificate
    (--kubelet-client-certificate), whose file may be replaced. look_up: resolves kubelets' host
    names; runs in a thread.
    """

    roots: Callable[[], KubeletRoots]
    credentials: Credentials
    certificate: Credentials | None = None
    look_up: LookUp = system_look_up


class Scraper:
    """Scrapes each node that was added by `put`, until `remove`.

    `kubelet.io.fetch` verifies each kubelet first.
    """

    def __init__(
        self,
        store: MetricsStore,
        access: KubeletAccess,
        *,
        clock: Clock,
        observer: ScrapeObserver,
        settings: ScrapeSettings,
    ) -> None:
        self._store = store
        self._access = access
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self._no_address = f"no address matched types [{' '.join(settings.address_types)}]"
        self._names = NameResolver(clock, look_up=access.look_up, time_limit=settings.timeout / 2)
        self._limits = TimeLimits()
        self._wake_ups = WakeUps(clock)
        self._trust: KubeletTrust | None = None
        self._followed: dict[str, _Followed] = {}
        self.results: dict[str, ScrapeResult] = {}
        """The result of each node's last scrape, by node name."""
        self._ending = False
        self._first_put: float | None = None
        self._has_begun = False

    @property
    def last_round(self) -> datetime:
        """When the oldest unfinished scrape was due; the current time if none is due.

        The check metric-collection-timely fails if this is too long ago.
        """
        now = self._clock.monotonic()
        due = min((each.due for each in self._followed.values()), default=now)
        return self._clock.now() - timedelta(seconds=max(0.0, now - due))

    @property
    def has_begun(self) -> bool:
        """Whether every ready node has had enough scrapes, or enough time, for its first usage.

        Two scrapes are enough, unless the kubelet had no new sample for the second one. Then a
        third is needed. Nodes have different scrape times, so some have usage up to one
        --metric-resolution later than others.
        """
        if self._has_begun or self._first_put is None:
            return self._has_begun
        patience = _MOST_SCRAPES_AWAITED * self._settings.resolution + self._settings.timeout
        self._has_begun = self._clock.monotonic() - self._first_put > patience or all(
            map(self._has_had_its_scrapes, self._followed.values())
        )
        return self._has_begun

    def _has_had_its_scrapes(self, followed: "_Followed") -> bool:
        if not followed.node.ready:
            return True
        name = followed.node.name
        if followed.scrapes < _SCRAPES_FOR_USAGE or name not in self.results:
            return False
        failed = bool(self.results[name].reason)
        enough = followed.scrapes >= _MOST_SCRAPES_AWAITED
        return enough or failed or self._store.node(name) is not None

    def put(self, node: FleetNode) -> None:
        """Adds a node, or updates a known one: the next scrape uses its new address, port and path.

        Ignores a new node once `run` ends.
        """
        if (followed := self._followed.get(node.name)) is not None:
            followed.node = node
            return
        if self._ending:
            # The watch of nodes ends a moment later, and nobody would await a new task.
            return
        if self._first_put is None:
            self._first_put = self._clock.monotonic()
        phase = phase_of(node.name)
        # The more nodes, the wider their first scrapes are spread, as metrics-server spreads each
        # round.
        spread = min(
            _DELAY_A_NODE * (len(self._followed) + 1), _SPREAD_AT_MOST * self._settings.resolution
        )
        followed = _Followed(node, phase, self._clock.monotonic() + phase * spread)
        self._followed[node.name] = followed
        self._start(followed)

    def remove(self, name: str) -> None:
        """Removes a node and its metrics."""
        if (followed := self._followed.pop(name, None)) is not None and followed.task is not None:
            followed.task.cancel()
        self.results.pop(name, None)
        self._store.remove_node(name)
        self._tell(self._observer.removed, name)

    async def run(self) -> None:
        """Waits until cancelled, then ends every scrape and closes every connection."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._ending = True
            tasks = [each.task for each in self._followed.values() if each.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._wake_ups.close()

    def _start(self, followed: "_Followed") -> None:
        work = self._follow(followed)
        task = asyncio.get_running_loop().create_task(work, name=f"scrape {followed.node.name}")
        followed.task = task
        task.add_done_callback(lambda ended: self._ended(followed, ended))

    def _ended(self, followed: "_Followed", task: "asyncio.Task[None]") -> None:
        """Restarts a task that ended while its node still exists. A due scrape is skipped."""
        if self._ending or self._followed.get(followed.node.name) is not followed:
            return
        error = None if task.cancelled() else task.exception()
        self._tell(self._observer.restarted, followed.node, error)
        if followed.due <= self._clock.monotonic():
            followed.due = self._next_due(followed)
        self._start(followed)

    async def _follow(self, followed: "_Followed") -> None:
        """Scrapes one node until cancelled."""
        try:
            # The first scrapes of nodes are spread, so they share no timer.
            await self._clock.sleep(followed.due - self._clock.monotonic())
            while True:
                await self._scrape(followed)
                followed.scrapes += 1
                followed.due = self._next_due(followed)
                await self._wake_ups.at(followed.due)
        finally:
            followed.close()

    def _next_due(self, followed: "_Followed") -> float:
        """A node's next scrape time, by the monotonic clock."""
        now, wall = self._clock.monotonic(), self._clock.now().timestamp()
        last = wall - (now - followed.due)
        at = next_moment(followed.phase, self._settings.resolution, now=wall, last=last)
        return now + (at - wall)

    async def _scrape(self, followed: "_Followed") -> None:
        began = self._clock.monotonic()
        node, failure = followed.node, None
        try:
            body, asked_at = await self._fetched(followed, began)
            if not await self._keep(followed, body, asked_at):
                # Meanwhile the node has no usage, so this counts as a failed scrape.
                failure = ScrapeFailure("no-usage", _NO_USAGE)
        except FetchFailed as error:
            failure = ScrapeFailure(error.reason, error.text)
        except AnswerError as error:
            failure = ScrapeFailure("unreadable", f"failed parsing metrics: {error}")
        except KubevouchError as error:
            failure = ScrapeFailure("credential", str(error))
        except Exception as error:  # noqa: BLE001 - our bug with one node's page must not end other scrapes
            failure = ScrapeFailure("internal", f"{type(error).__name__}: please report this")
        if failure is not None:
            self._store.record_failure(node.name)
        self._tell(self._observer.scraped, node, self._clock.monotonic() - began, failure)
        before, now = self.results.get(node.name), self._clock.now()
        read_at: datetime | None = now
        if failure is not None:
            read_at = before.read_at if before is not None else None
        reason = failure.reason if failure else ""
        self.results[node.name] = ScrapeResult(reason, now, read_at, followed.doubt)
        if followed.doubt and not (before and before.doubt):
            self._tell(self._observer.doubted, node, followed.doubt)

    async def _fetched(self, followed: "_Followed", began: float) -> tuple[bytes, datetime]:
        """Returns the response body, and when it was requested. All attempts share one time-out."""
        node, followed.doubt = followed.node, ""
        if not node.address:
            raise FetchFailed(node.name, "no-address", self._no_address)
        if not node.path:
            raise FetchFailed(node.name, "path-too-long", _PATH_TOO_LONG)
        client = self._client(followed, await self._current_trust())
        credential = await self._access.credentials.current()
        asked_at = self._clock.now()

        async def page(authorization: str) -> bytes:
            left = self._settings.timeout - (self._clock.monotonic() - began)
            try:
                return await client.page(node.path, authorization, timeout=left, most=LARGEST)
            finally:
                followed.doubt = client.was_doubted

        try:
            return await page(credential.authorization), asked_at
        except FetchFailed as error:
            if error.reason != "http-401":
                raise
            # The service account's token file is replaced from time to time.
            newer = await self._access.credentials.renewed(credential)
            if newer is None:
                raise
        return await page(newer.authorization), asked_at

    def _client(self, followed: "_Followed", trust: KubeletTrust) -> KubeletClient:
        """The client for the node's kubelet; a new one if the kubelet's address or the trust has changed."""
        node = followed.node
        target, kept = Target(node.address, node.name, node.port), followed.client
        if kept is None or kept.target != target or kept.trust is not trust:
            followed.close()
            kept = followed.client = KubeletClient(
                target,
                trust,
                clock=self._clock,
                names=self._names,
                limits=self._limits,
                unverified=self._settings.insecure,
            )
        return kept

    async def _current_trust(self) -> KubeletTrust:
        """The CAs and the client certificate for all kubelets; a new object when either changes."""
        roots, certificate = self._access.roots(), self._access.certificate
        # Never the pair of `credentials`: a kubeconfig's certificate is not meant for kubelets.
        pair = (await certificate.current()).pair if certificate else None
        kept = self._trust
        if kept is None or kept.roots is not roots or kept.pair != pair:
            kept = KubeletTrust(roots, pair=pair, check_time=self._settings.check_time)
            self._trust = kept
        return kept

    async def _keep(self, followed: "_Followed", body: bytes, asked_at: datetime) -> bool:
        """Parses and stores a response. Returns whether it has the node's own CPU and memory."""
        node = followed.node
        page = quick_page(body, followed.form)
        if page is None:
            page = await self._read(body, node, int(asked_at.timestamp() * 1000))
            followed.form = page_form(body, page)
        foreign = self._store.record(node.name, page)
        if foreign:
            self._tell(self._observer.duplicate, node, foreign)
        if page.node is None or page.incomplete:
            lacks = page.node is None
            self._tell(self._observer.incomplete, node, node_itself=lacks, pods=page.incomplete)
        return page.node is not None

    async def _read(self, body: bytes, node: FleetNode, requested_ms: int) -> Page:
        """Parses a response with `pages.reading`.

        Yields to other tasks in between, since a hostile response may be long.
        """
        steps = reading(body, f"node {node.name}", requested_ms)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                page: Page = end.value
                return page
            await self._clock.sleep(0)

    def _tell(self, observe: Callable[P, None], *told: P.args, **named: P.kwargs) -> None:
        """Calls the observer and drops its errors."""
        with contextlib.suppress(Exception):
            observe(*told, **named)


class _Followed:
    """A scraped node and the state of its task.

    due: the time of its next or current scrape, by the monotonic clock. form: the node's last
    PageForm, used to parse the next response faster; None if it has none. doubt: see ScrapeResult.
    """

    def __init__(self, node: FleetNode, phase: float, due: float) -> None:
        self.node = node
        self.phase = phase
        self.due = due
        self.scrapes = 0
        self.form: PageForm | None = None
        self.task: asyncio.Task[None] | None = None
        self.client: KubeletClient | None = None
        self.doubt = ""

    def close(self) -> None:
        """Closes the connection, if open."""
        if self.client is not None:
            self.client.close()
            self.client = None
