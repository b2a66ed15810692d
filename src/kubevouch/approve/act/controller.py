"""The whole approver: it runs until it is asked to stop, then gives the Lease back."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry

from kubevouch.approve.act.cluster_facts import ClusterFacts
from kubevouch.approve.act.decider import Decider
from kubevouch.approve.act.events import EventSender
from kubevouch.approve.act.instruments import ApproverInstruments
from kubevouch.approve.act.queue import DecisionQueue
from kubevouch.approve.act.records import RecordWriter
from kubevouch.approve.act.served import ServedWatch
from kubevouch.approve.act.telling import Telling
from kubevouch.approve.act.watching import CSR_LIFE, Watches
from kubevouch.approve.decide.look import look_back
from kubevouch.approve.decide.view import ClusterView, DecidedCsr
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.lease import Election
from kubevouch.kube.resources import LEASES, CertificateSigningRequest, ConfigMap, Node
from kubevouch.policy.csr import csr_of
from kubevouch.serve.access_gate import version
from kubevouch.serve.exposition import Exposition
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import NamedCheck, Probes
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions, serve_routes

LEASE: Final = "kubevouch-approver"
_MOST_OWN: Final = 20_000


@dataclass(frozen=True, slots=True)
class ApproverSettings:
    """How one process of the approver runs.

    namespace: of the Lease and the ConfigMaps. identity: of this process in the election. dry_run: it decides and tells in
    its log and metrics only, and writes nothing. elects: whether it leads only with the Lease, as it has to where several
    run.
    """

    namespace: str
    identity: str
    dry_run: bool = False
    elects: bool = True


class ApproverController:
    """One process of the approver. rng: returns a random number in [0, 1)."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        settings: ApproverSettings,
        *,
        registry: CollectorRegistry,
        instruments: ApproverInstruments,
        rng: Callable[[], float],
    ) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._settings = settings
        self._registry = registry
        self._instruments = instruments
        self._view = ClusterView()
        self._queue = DecisionQueue(clock)
        self._own: dict[str, None] = {}
        """UIDs of the CSRs that this process approved, the newest last."""
        self._begun = False
        self._active = settings.dry_run
        """Whether CSRs are looked at here: this process leads, as far as was said, or only says what it would do."""
        self._election = Election(
            api,
            name=LEASE,
            namespace=settings.namespace,
            identity=settings.identity,
            clock=clock,
            rng=rng,
            report=lambda error: log.error(error, "Failed to renew or to get the Lease"),
            changed=self._turned,
        )
        self._facts = ClusterFacts(
            api, clock, rng=rng, changed=self._names_changed, report=self._names_not_read
        )
        self._watches = Watches(
            api,
            clock,
            self,
            namespace=settings.namespace,
            rng=rng,
            report=self._watch_failed,
        )
        self._records = RecordWriter(
            api,
            clock,
            self._view,
            namespace=settings.namespace,
            may_write=self._may_write,
            report=lambda error: log.error(error, "Failed to write a record"),
        )
        self._events = EventSender(
            api,
            clock,
            instance=settings.identity,
            busy=lambda: self._queue.depth > 0,
            may_write=self._may_write,
            dropped=instruments.events_dropped.inc,
            report=lambda error: log.error(error, "Failed to send an Event"),
        )
        self._telling = Telling(clock, log, self._view, instruments, self._events)
        self._served = ServedWatch(
            clock, self._view, looks=self._decides, checked=self._telling.served
        )
        self._decider = Decider(
            api,
            clock,
            self._view,
            self._queue,
            facts=self._facts,
            records=self._records,
            telling=self._telling,
            active=lambda: self._active,
            decides=self._decides,
            may_write=self._may_write,
            dry_run=settings.dry_run,
            written=self._written,
            rng=rng,
        )
        instruments.measure(
            pending=lambda: sum(not each.over for each in self._view.waiting),
            oldest_pending_age_seconds=self._oldest,
            queue_depth=lambda: self._queue.depth,
            served_mismatch=lambda: self._served.mismatches,
            source_problems=lambda: len(self._view.sources.problems),
            synced=lambda: float(self.synced),
        )

    @property
    def synced(self) -> bool:
        """Whether everything that a decision looks at has been read once."""
        return self._begun and self._facts.known

    async def serve(
        self,
        options: ServingOptions,
        stop: StopEvent,
        ready: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Until stop is requested. ready: called with the port once it listens. Raises KubevouchError, OSError."""
        try:
            await serve_routes(
                self._api,
                self._clock,
                self._log,
                options,
                routes=self._routes(stop),
                work=self.run,
                stop=stop,
                ready=ready,
            )
        finally:
            await self._election.release()

    async def run(self) -> None:
        """Decides until cancelled. Release the Lease afterwards."""
        self._gap = await self._nobody_watched()
        async with asyncio.TaskGroup() as tasks:
            if self._settings.elects and not self._settings.dry_run:
                tasks.create_task(self._election.run())
            else:
                self._turned(leading=not self._settings.dry_run)
            for part in (
                self._watches,
                self._facts,
                self._queue,
                self._decider,
                self._records,
                self._events,
                self._served,
            ):
                tasks.create_task(part.run())

    async def release(self) -> None:
        """Gives the Lease back, after `run` has ended."""
        await self._election.release()

    async def _nobody_watched(self) -> bool:
        """Whether no approver has led for so long that the CSRs of client certificates may be gone by now."""
        try:
            lease = await self._api.get(LEASES, LEASE, self._settings.namespace)
        except NotFound:
            return True
        except KubevouchError as error:
            self._log.error(error, "Failed to read when an approver led last")
            return True
        renewed = lease.spec.renew_time
        life = timedelta(seconds=CSR_LIFE)
        return renewed is None or self._clock.now() - renewed > life

    def _routes(self, stop: StopEvent) -> dict[str, Handler]:
        def running() -> str | None:
            return "process is shutting down" if stop.requested else None

        def listed() -> str | None:
            return None if self._begun else "not everything has been listed yet"

        def named() -> str | None:
            return None if self._facts.known else "the cluster's own names were not read yet"

        ready = (
            NamedCheck("informer-sync", listed),
            NamedCheck("cluster-names", named),
            NamedCheck("shutdown", running),
        )
        probes = Probes({"readyz": ready, "livez": (), "healthz": ()}, self._log)
        return {
            "/metrics": Exposition(self._registry).answer,
            "/version": version,
            **dict.fromkeys(probes.paths, probes.answer),
        }

    # Who may do what

    def _leads(self) -> bool:
        return not self._settings.elects or self._election.is_leading()

    def _may_write(self) -> bool:
        return not self._settings.dry_run and self._leads()

    def _decides(self) -> bool:
        return self._begun and (self._settings.dry_run or self._leads())

    def _turned(self, leading: bool) -> None:  # noqa: FBT001 - called by Election
        self._instruments.leader.set(leading)
        self._log.info("Began to lead" if leading else "Does not lead")
        self._active = leading or self._settings.dry_run
        if self._active:
            self._look_at_all()
        else:
            self._queue.clear()

    def _look_at(self, names: Collection[str]) -> None:
        """These are looked at now, if anything is looked at here."""
        if not (self._begun and self._active):
            return  # whoever begins to lead looks at all of them
        for name in names:
            waiting = self._view.waiting.get(name)
            if waiting is not None and not waiting.over:
                self._queue.put(name)

    def _look_at_all(self) -> None:
        self._look_at([each.name for each in self._view.waiting])

    def _oldest(self) -> float:
        made = self._view.waiting.oldest()
        return 0.0 if made is None else max(0.0, (self._clock.now() - made).total_seconds())

    # What the watches show

    def all_listed(self) -> None:
        """Everything has been listed once."""
        self._view.begin(gap=self._gap)
        self._begun = True
        self._log.info(
            "Listed everything",
            nodes=len(self._view.nodes),
            pendingCSRs=len(self._view.waiting),
        )
        self._look_at_all()

    def node(self, node: Node) -> None:
        """A Node is new or has changed."""
        self._look_at(self._view.put_node(node))

    def node_gone(self, name: str) -> None:
        """A Node is gone."""
        self._look_at(self._view.remove_node(name))
        self._records.changed(name)

    def serving_csr(self, csr: CertificateSigningRequest) -> None:
        """A serving CSR is new or has changed."""
        news = self._view.put_serving_csr(csr)
        if isinstance(news, DecidedCsr):
            self._decided(news)
            return
        created = csr.metadata.creation_timestamp
        if self._begun and created is not None and not news.held_for:
            lag = (self._clock.now() - created).total_seconds()
            self._instruments.watch_lag.observe(max(0.0, lag))
        self._look_at([csr.name])

    def serving_csr_gone(self, name: str, uid: str) -> None:
        """A serving CSR is gone."""
        self._view.remove_serving_csr(name)
        self._queue.discard(name)
        self._telling.gone(uid)

    def client_csr(self, csr: CertificateSigningRequest) -> None:
        """A CSR for a client certificate is new or has changed."""
        if node := self._view.put_client_csr(csr):
            self._records.changed(node)
            self._look_at(self._view.waiting.of_node(node))

    def client_csrs_missed(self) -> None:
        """Client certificates may have been issued that nobody saw."""
        if self._view.standings is not None:
            self._view.standings.gap()
            self._log.info("Client certificates may have been issued that no watch has shown")

    def config_map(self, found: ConfigMap) -> None:
        """A ConfigMap of ours is new or has changed."""
        self._concerned(self._view.sources.put(found), found.name)

    def config_map_gone(self, name: str) -> None:
        """A ConfigMap of ours is gone."""
        self._concerned(self._view.sources.remove(name), name)

    def _concerned(self, nodes: Collection[str] | None, name: str) -> None:
        for problem in self._view.sources.problems.get(name, ()):
            self._log.error(problem, "A source of names cannot be read")
        if nodes is None:
            self._look_at_all()
            return
        for node in nodes:
            self._look_at(self._view.waiting.of_node(node))

    def _decided(self, news: DecidedCsr) -> None:
        found = news.found
        self._queue.discard(found.name)
        self._telling.gone(found.uid)
        if not self._decides():
            return
        if news.by_us and found.condition("Denied") is None:
            self._served.put(found)
        if news.waited and found.uid not in self._own and found.condition("Approved"):
            self._others_approved(found)

    def _others_approved(self, found: CertificateSigningRequest) -> None:
        reserved = self._view.reserved(self._clock.monotonic())
        if reserved is None:
            return
        condition = found.condition("Approved")
        at = condition.last_update_time if condition else None
        decision = look_back(self._view, csr_of(found), reserved, at or self._clock.now())
        self._telling.approved_by_others(found, decision)

    def _written(self, found: CertificateSigningRequest) -> None:
        """We have decided about a CSR: what the watch shows of it later is no news."""
        self._own[found.uid] = None
        if len(self._own) > _MOST_OWN:
            del self._own[next(iter(self._own))]
        self._view.put_serving_csr(found)
        self._queue.discard(found.name)

    # What is read every minute

    def _names_changed(self, names: ClusterNames) -> None:
        self._view.set_names(names)
        self._look_at_all()

    def _names_not_read(self, error: KubevouchError | str) -> None:
        self._log.error(error, "Failed to read the cluster's own names or CAs")

    def _watch_failed(self, what: str, error: KubevouchError) -> None:
        self._instruments.watch_failures.labels(what).inc()
        self._log.error(error, "Failed to watch", what=what)
