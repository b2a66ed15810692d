"""Decides on CSRs: reads the live Node, applies the policy, and writes the approval."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kubevouch.approve.act.cluster_facts import ClusterFacts
from kubevouch.approve.act.instruments import NODE_NOT_READ, NOT_WRITTEN
from kubevouch.approve.act.live_nodes import A_CROWD, NodeRead, NodeReader
from kubevouch.approve.act.queue import DecisionQueue
from kubevouch.approve.act.reactions import WatchReactions
from kubevouch.approve.act.records import RecordWriter
from kubevouch.approve.act.telling import Telling
from kubevouch.approve.decide.look import HELD, LookedAt, is_over, look, may_be_dialled, next_look
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import Requestor, WaitingCsr
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import Conflict, NotFound, NotSent
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import only_while
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.csr import Csr, asked_of
from kubevouch.policy.decide import approval
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import wants_renewal
from kubevouch.policy.sources.renewal import RenewalEvidence

WRITTEN_AT_ONCE: Final = 32
"""How many decisions are written concurrently. Reads are not limited by this.

The more writes etcd commits together, the less each costs. In a burst, 32 concurrent writes cost
etcd and the API server a tenth less than 16; 64 save no more (docs/internals/decisions/0010).
"""

_WORKERS: Final = 64
"""The number of workers. It exceeds WRITTEN_AT_ONCE, since a worker may wait for a handshake with
an unresponsive node."""

_DIALLED_AT_ONCE: Final = 32
"""How many Nodes are dialled concurrently. It is below _WORKERS, so that unresponsive Nodes cannot
block CSRs that need no handshake."""

OLDEST_FACTS: Final = 5.0
"""Seconds after which the facts behind an unwritten decision are outdated. The CSR is then decided
again."""

_BATCH: Final = 0.01
"""Seconds between batches if many CSRs wait. The decisions of a batch run back to back, and their
writes are sent together. In a burst this saves a seventh of our CPU time, since our code runs
slower if the API server has just used the same CPU."""

_NAMES_AWAITED: Final = 1.0
_LEASE_AWAITED: Final = 1.0
_DIAL_TIMEOUT: Final = 5.0
_DIAL_AWAITED: Final = 1.0


@dataclass
class Decider:
    """Decides the CSRs of queued requestors.

    reactions: gets each approval's message before it is written. decides: returns whether this
    process leads now (or is a dry run) and receives CSRs in order of creation. may_write: called
    right before every write; returns whether to write.
    """

    api: ApiClient
    clock: Clock
    view: ClusterView
    queue: DecisionQueue[Requestor]
    facts: ClusterFacts
    records: RecordWriter
    telling: Telling
    reactions: WatchReactions
    decides: Callable[[], bool]
    may_write: Callable[[], bool]
    dry_run: bool
    rng: Callable[[], float]

    _batch: asyncio.Task[None] | None = None
    _dialling: set[str] = field(default_factory=set)
    """The nodes with a handshake in progress."""

    def __post_init__(self) -> None:
        queue = self.queue
        self._nodes = NodeReader(self.api, self.clock, self.view, depth=lambda: queue.depth)
        self._writing = asyncio.Semaphore(WRITTEN_AT_ONCE)

    async def run(self) -> None:
        """Decides CSRs until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(_WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            requestor = await self.queue.get()
            waiting = self.view.waiting.of(requestor)
            try:
                if waiting is not None:
                    await self._look_at(waiting)
            except Exception as error:  # noqa: BLE001 - one CSR must not end the approver
                self.telling.panicked(waiting.name if waiting else "", error)
                self.queue.put(requestor, HELD)
            finally:
                self.queue.done(requestor)
            await self._next_batch()

    async def _next_batch(self) -> None:
        """If many CSRs wait, makes this worker wait for the next batch, so that all free workers start together."""
        if self.queue.depth <= A_CROWD:
            return
        if self._batch is None or self._batch.done():
            self._batch = asyncio.create_task(self.clock.sleep(_BATCH))
        await asyncio.wait([self._batch])

    async def _look_at(self, waiting: WaitingCsr) -> None:
        if waiting.over or not self.reactions.active:
            return
        if not self.decides():
            # The Lease is being renewed, or another process has it, which `turned` will announce
            # soon. Or CSRs are being listed.
            self.queue.put(waiting.requestor, _LEASE_AWAITED)
            return
        reserved = self.view.reserved(self.clock.monotonic())
        if reserved is None:
            self.queue.put(waiting.requestor, _NAMES_AWAITED)
            return
        csr = self.view.read(waiting)
        node = self._to_be_dialled(waiting, csr, reserved)
        if node is not None and not self._may_dial(node.name):
            self.queue.put(waiting.requestor, _DIAL_AWAITED)
            return
        renewal = await self._renewal(csr, node) if node else None
        began = self.clock.monotonic()
        await self._look_now(waiting, csr, reserved, renewal)
        took = self.clock.monotonic() - began
        self.telling.instruments.decision_duration.observe(took)

    async def _look_now(
        self,
        waiting: WaitingCsr,
        csr: Csr,
        reserved: ReservedNames,
        renewal: RenewalEvidence | None,
    ) -> None:
        try:
            read = await self._live(waiting)
        except KubevouchError as error:
            self._again(waiting, None)
            self.telling.failed(waiting, NODE_NOT_READ, error)
            return
        live = read.node
        looked = self._look(waiting, csr, live, reserved, renewal)
        if looked.answer is not None and looked.answer.admits is not None and live is not None:
            async with self.records.admitting:
                # Other nodes may have been admitted since.
                looked = self._look(waiting, csr, live, reserved, renewal)
                if not await self._admitted(looked, live):
                    self._again(waiting, None)
                    return
        await self._act(waiting, looked, read.began)

    async def _live(self, waiting: WaitingCsr) -> NodeRead:
        """The requestor's Node as the API server has it now. Raises KubevouchError."""
        if not waiting.node:
            return NodeRead(None, self.clock.monotonic())
        read = await self._nodes.read(waiting.node, self.queue.queued_at(waiting.requestor))
        if read.node is not None and not waiting.first_uid:
            waiting.first_uid = read.node.uid
        return read

    def _to_be_dialled(self, waiting: WaitingCsr, csr: Csr, reserved: ReservedNames) -> Node | None:
        """The node whose kubelet must be dialled; None if no handshake is needed or allowed."""
        node = self.view.nodes.get(waiting.node or "")
        if node is None or not self.facts.roots:
            return None
        if not wants_renewal(node, self.view.sources.current):
            return None
        at = self.clock.now()
        return node if may_be_dialled(self.view, csr, node, reserved, at) else None

    def _may_dial(self, node: str) -> bool:
        """Whether the node may be dialled now: for one CSR at a time, and at most _DIALLED_AT_ONCE nodes at once."""
        return node not in self._dialling and len(self._dialling) < _DIALLED_AT_ONCE

    async def _renewal(self, csr: Csr, node: Node) -> RenewalEvidence:
        """Dials the requested addresses and returns the certificates that the node's kubelet serves there."""
        asked, at = asked_of(csr), self.clock.now()
        assert asked is not None  # implied by may_be_dialled
        targets = [
            Target(str(each), node=node.name, port=node.kubelet_port) for each in asked.addresses
        ]
        self._dialling.add(node.name)
        try:
            dialled = await dial_all(targets, clock=self.clock, timeout=_DIAL_TIMEOUT)
        finally:
            self._dialling.discard(node.name)
        return RenewalEvidence(dialled, self.facts.roots, at)

    def _look(
        self,
        waiting: WaitingCsr,
        csr: Csr,
        live: Node | None,
        reserved: ReservedNames,
        renewal: RenewalEvidence | None,
    ) -> LookedAt:
        at = self.clock.now()
        looked = look(self.view, waiting, csr, live, reserved, at=at, renewal=renewal)
        if looked.decision.outcome is Outcome.PASS and waiting.node:
            # Before any await: another CSR for the same address may be decided during this write.
            asked = asked_of(csr) or AskedNames()
            self.view.approved_lately.put(waiting.node, asked, at)
        return looked

    async def _admitted(self, looked: LookedAt, live: Node) -> bool:
        """Records an admission by the rule for new nodes. Returns False only if that failed."""
        admits = looked.answer.admits if looked.answer else None
        if admits is None or looked.decision.outcome is not Outcome.PASS or self.dry_run:
            return True
        return await self.records.admit(live, admits)

    async def _act(self, waiting: WaitingCsr, looked: LookedAt, began: float) -> None:
        if looked.decision.outcome is not Outcome.PASS:
            waiting.over = is_over(looked.decision)
            self._again(waiting, looked)
            self.telling.held(waiting, looked)
        elif self.dry_run:
            self.telling.would_approve(waiting, looked)
            self.queue.put(waiting.requestor, HELD)
        else:
            async with self._writing:
                await self._approve(waiting, looked, began)

    async def _approve(self, waiting: WaitingCsr, looked: LookedAt, began: float) -> None:
        def wanted() -> bool:
            return self.clock.monotonic() - began <= OLDEST_FACTS and self.may_write()

        assert looked.answer is not None  # no rule passes without a Node
        condition = approval("", looked.answer.why)
        self.reactions.writing(waiting.found.uid, condition.message)
        try:
            with only_while(wanted):
                found = await self.api.patch_approval(waiting.found, condition)
        except NotSent:
            # The process was stopped, or lost the lead, or the facts are too old: nothing is
            # written.
            self.queue.put(waiting.requestor, 1.0)
            return
        except NotFound:
            return  # the watch shows the outcome
        except Conflict:
            self.queue.put(waiting.requestor, self.rng())
            return
        except KubevouchError as error:
            self._again(waiting, None)
            self.telling.failed(waiting, NOT_WRITTEN, error)
            return
        self.view.put_decided_csr(found)
        self.telling.approved(found, looked)

    def _again(self, waiting: WaitingCsr, looked: LookedAt | None) -> None:
        """Queues the CSR again after the delay that `next_look` returns, unless it returns None.

        looked: None if there was no decision.
        """
        told = looked is not None and looked.decision.outcome is Outcome.REFUSE
        waiting.failures = 0 if told else waiting.failures + 1
        budget = self.view.budget.wait(waiting.node or "", self.clock.now())
        decision = looked.decision if looked else None
        wait = next_look(decision, waiting.failures, self.rng, budget)
        if wait is not None:
            self.queue.put(waiting.requestor, wait)
