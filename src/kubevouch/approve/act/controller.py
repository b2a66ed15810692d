"""Connects the parts of the approver, and runs them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kubevouch.approve.act.cluster_facts import ClusterFacts
from kubevouch.approve.act.decider import Decider
from kubevouch.approve.act.instruments import ApproverInstruments
from kubevouch.approve.act.queue import DecisionQueue
from kubevouch.approve.act.reactions import WatchReactions
from kubevouch.approve.act.records import RecordWriter
from kubevouch.approve.act.telling import Telling
from kubevouch.approve.act.watching import CSR_LIFE, Watches
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import Requestor
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.lease import Election
from kubevouch.kube.resources import LEASES
from kubevouch.policy.sources.stored import Unreadable
from kubevouch.serve.logs import Log
from kubevouch.serve.probes import NamedCheck
from kubevouch.serve.server import ServerPart

LEASE: Final = "kubevouch-approver"


@dataclass(frozen=True, slots=True)
class ApproverSettings:
    """The settings of one approver process.

    namespace: where the Lease and the ConfigMaps are. identity: this process's name in the
    election. dry_run: only log and count decisions; write nothing, and take no Lease.
    """

    namespace: str
    identity: str
    dry_run: bool = False


class ApproverController:
    """One approver process. rng: returns a random number in [0, 1).

    Times follow the API server's clock, except in the log.
    """

    def __init__(
        self,
        api: ApiClient,
        log: Log,
        settings: ApproverSettings,
        *,
        instruments: ApproverInstruments,
        rng: Callable[[], float],
    ) -> None:
        self._api = api
        self._clock = clock = api.server_clock
        self._log = log
        self._settings = settings
        self._instruments = instruments
        self._rng = rng
        self._view = ClusterView()
        self._queue = DecisionQueue[Requestor](clock)
        self._election = self._make_election()
        self._records = self._make_records()
        self._telling = Telling(log, instruments)
        self._reactions = self._make_reactions()
        self._facts = ClusterFacts(
            api,
            clock,
            rng=rng,
            changed=self._reactions.names_changed,
            report=self._reporter("Failed to read the cluster's own names or CAs"),
        )
        self._watches = self._make_watches()
        self._decider = self._make_decider()
        self._measure()

    def _reporter(self, message: str) -> Callable[[KubevouchError | str], None]:
        return lambda error: self._log.error(error, message)

    def _make_election(self) -> Election:
        return Election(
            self._api,
            name=LEASE,
            namespace=self._settings.namespace,
            identity=self._settings.identity,
            clock=self._clock,
            rng=self._rng,
            report=self._reporter("Failed to acquire or renew the Lease"),
            changed=self._turned,
            fit=self._may_lead,
        )

    def _make_records(self) -> RecordWriter:
        return RecordWriter(
            self._api,
            self._clock,
            self._view,
            namespace=self._settings.namespace,
            may_write=self._may_write,
            report=self._reporter("Failed to write a record"),
        )

    def _make_reactions(self) -> WatchReactions:
        return WatchReactions(
            self._clock,
            self._view,
            self._queue,
            records=self._records,
            telling=self._telling,
            decides=self._decides,
            active=self._settings.dry_run,
            namespace=self._settings.namespace,
        )

    def _make_watches(self) -> Watches:
        return Watches(
            self._api,
            self._clock,
            self._reactions,
            namespace=self._settings.namespace,
            rng=self._rng,
            report=self._watch_failed,
        )

    def _make_decider(self) -> Decider:
        return Decider(
            self._api,
            self._clock,
            self._view,
            self._queue,
            facts=self._facts,
            records=self._records,
            telling=self._telling,
            reactions=self._reactions,
            decides=lambda: self._decides() and self._watches.in_order,
            may_write=self._may_write,
            dry_run=self._settings.dry_run,
            rng=self._rng,
        )

    def _measure(self) -> None:
        self._instruments.measure(
            pending=lambda: len(self._unresolved()),
            oldest_pending_age_seconds=lambda: max(self._unresolved(), default=0.0),
            queue_depth=lambda: self._queue.depth,
            source_problems=lambda: len(self._view.sources.problems),
            clock_ahead_seconds=lambda: self._clock.own_is_ahead / timedelta(seconds=1),
            last_gap_timestamp_seconds=lambda: self._reactions.last_gap,
            tasks=lambda: len(asyncio.all_tasks()),
            synced=lambda: float(self._knows_the_cluster()),
        )

    def _unresolved(self) -> list[float]:
        return [each.total_seconds() for each in self._view.waiting.unresolved(self._clock.now())]

    # Running

    @property
    def part(self) -> ServerPart:
        """The approver as a part of a server: its tasks and readiness checks.

        When the server stops, the approver writes unsaved records and releases the Lease.
        """

        def listed() -> str | None:
            return None if self._reactions.begun else "Nodes, CSRs or ConfigMaps not yet listed"

        def named() -> str | None:
            reserved = self._view.reserved(self._clock.monotonic()) if self._facts.known else None
            if reserved is None:
                return "the cluster's own names have not been read yet"
            return f"nothing is approved: {reserved.doubts[0]}" if reserved.doubts else None

        def fresh() -> str | None:
            stale = self._watches.stale
            return f"a watch has been silent for too long: {stale}" if stale else None

        def readable() -> str | None:
            found = self._view.sources.current.configuration
            return f"nothing is approved: {found}" if isinstance(found, Unreadable) else None

        ready = (
            NamedCheck("informer-sync", listed),
            NamedCheck("watches", fresh),
            NamedCheck("cluster-names", named),
            NamedCheck("configuration", readable),
        )
        return ServerPart(self._run, {"readyz": ready}, end=self._end)

    async def _run(self) -> None:
        self._reactions.gap = await self._had_gap()
        async with asyncio.TaskGroup() as tasks:
            if not self._settings.dry_run:
                tasks.create_task(self._election.run())
            else:
                self._turned(leading=False)
            for part in (self._watches, self._facts, self._queue, self._decider, self._records):
                tasks.create_task(part.run())

    async def _end(self) -> None:
        try:
            await self._records.end()
        finally:
            await self._election.release()

    async def _had_gap(self) -> bool:
        """Whether the last leader stopped so long ago that CSRs for client certificates may have been deleted before we saw them."""
        try:
            lease = await self._api.get(LEASES, LEASE, self._settings.namespace)
        except NotFound:
            return True
        except KubevouchError as error:
            self._log.error(error, "Failed to read the approver's Lease")
            return True
        renewed = lease.spec.renew_time
        return renewed is None or self._clock.now() - renewed > timedelta(seconds=CSR_LIFE)

    # Who may do what

    def _knows_the_cluster(self) -> bool:
        """Whether Nodes, CSRs and ConfigMaps have been listed, and the cluster's own names have been read."""
        return self._reactions.begun and self._facts.known

    def _may_lead(self) -> bool:
        """Whether this process has current data. Without it, a leader would hold the Lease but decide nothing."""
        return self._knows_the_cluster() and not self._watches.stale

    def _may_write(self) -> bool:
        return not self._settings.dry_run and self._election.is_leading()

    def _decides(self) -> bool:
        return self._reactions.begun and (self._settings.dry_run or self._election.is_leading())

    def _turned(self, leading: bool) -> None:  # noqa: FBT001 - called by Election
        self._instruments.leader.set(leading)
        self._log.info("Began to lead" if leading else "Does not lead")
        self._reactions.turned(active=leading or self._settings.dry_run)

    def _watch_failed(self, what: str, error: KubevouchError) -> None:
        self._instruments.watch_failures.labels(what).inc()
        self._log.error(error, "Failed to watch", what=what)
