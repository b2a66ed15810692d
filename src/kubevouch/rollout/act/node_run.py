"""Changes one node: begins the change, waits for the gates, then commits or undoes it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any

from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.kube.errors import KubeError
from kubevouch.node.errors import NodeError, NodeUnreachable
from kubevouch.rollout.act.kubelet_watch import watched_kubelet, why_not_up
from kubevouch.rollout.act.observe import NodeObserver
from kubevouch.rollout.decide.armed import by_its_switch, is_at_work, why_overtaken
from kubevouch.rollout.decide.gates import GateResult, ProofGate, gate_results
from kubevouch.rollout.decide.result import NodeResult, why_of
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    LONGEST_SCRIPT,
    NodeChange,
    Seed,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from kubevouch.rollout.errors import NotTheHolder

_SET = "cannot tell whether its dead-man's switch has undone it"
_NO_RECORD = "the node has lost its record of this run"
_PAUSE = 1.0
_RETRY = 5.0
_NOT_GONE_ON_WITH = (TransactionState.REFUSED, TransactionState.BUSY)
_LAST_LOOK = 5.0
"""The shortest time limit of an observation, in seconds.

Even the last observation must have time to show what is missing.
"""

# Progress messages of passed gates. Other gates are shown only while they are pending.
_PASSED = {
    ProofGate.NAMES: "signed for",
    ProofGate.SERVED: "serves it at",
    ProofGate.METRICS: "in the metrics API:",
}


@dataclass
class NodeRun:
    """The change of one node. change: None if the run only approves the node's CSR."""

    observer: NodeObserver
    timeouts: RolloutTimeouts
    change: NodeChange | None
    seed: Seed | None
    pid_before: int
    begun: ArmedNode | None = None
    """Set if an earlier attempt began this run on the node. This attempt then continues the run."""

    reached: Callable[[ProofGate | None], None] = lambda _: None
    """Called with the gate that the node waits for, or None when a gate has failed."""

    for_good: bool = field(default=False, init=False)
    """Whether the policy rejects a CSR that is already approved, or its certificate. An undo can
    revoke neither."""

    is_overtaken: bool = field(default=False, init=False)
    """Whether the node's dead-man's switch was due before the node was verified."""

    pid: int = field(default=0, init=False)
    """The kubelet's PID after the run's restart; 0 if unknown."""

    fires: datetime | None = field(init=False)
    """The latest time at which the node's dead-man's switch fires; None if the node is not armed."""

    def __post_init__(self) -> None:
        self.fires = self.begun.due if self.begun else None

    async def run(self) -> NodeResult:
        """Runs the change, and returns the node's result. Errors of the transport and the API server become results."""
        return await self._ended(self._run)

    async def put_back(self, why: str) -> NodeResult:
        """Undoes the run's change on an unhealthy node, unless the change was verified. why: what is wrong with the node."""

        async def putting_back(began: float) -> tuple[NodeState, str]:
            self.reached(None)
            state, how = await self._undone(began)
            if state is NodeState.DONE:  # an earlier attempt was interrupted during the commit
                state, how = (
                    NodeState.UNKNOWN,
                    "an earlier attempt verified the node, and the change is committed",
                )
            return state, why_of(why, how)

        return await self._ended(putting_back)

    async def _ended(self, work: Callable[[float], Awaitable[tuple[NodeState, str]]]) -> NodeResult:
        clock = self.observer.context.clock
        began = clock.monotonic()
        try:
            state, why = await work(began)
        except NotTheHolder as error:  # the other run proves this node, or undoes it
            state, why = NodeState.UNTOUCHED, str(error)
            if self.fires:
                why = f"{why}; {by_its_switch(self.fires, clock.now())}"
        if self.fires and state not in (NodeState.DONE, NodeState.UNDONE):
            state = NodeState.ARMED
        if state is not NodeState.ARMED:
            self.observer.context.is_over(self.observer.node.node)
        return NodeResult(
            node=self.observer.node.node,
            state=state,
            why=why,
            seconds=clock.monotonic() - began,
            csrs=tuple(sorted(self.observer.approved)),
            for_good=self.for_good,
        )

    async def _run(self, began: float) -> tuple[NodeState, str]:
        if self.change is None:
            missing = await self._gates(began)
            return (NodeState.UNTOUCHED, missing.text) if missing else (NodeState.DONE, "")
        since = self.observer.context.clock.now()
        begun = await self._begin(since)
        if begun is not None:
            return begun
        async with watched_kubelet(
            self.observer.context, self.observer.node.host, self.pid
        ) as watch:
            missing = await self._gates(began, watch)
        if self.is_overtaken:
            return await self._ended_by_its_switch(since, missing)
        if missing is not None:
            self.reached(None)
            state, how = await self._undone(began)
            return state, why_of(f"{missing.gate}: {missing.text}", how)
        return await self._committed(began)

    async def _ended_by_its_switch(
        self, since: datetime, missing: GateResult | None = None
    ) -> tuple[NodeState, str]:
        """Undoes the change of a node whose dead-man's switch was due before all gates passed. missing: the pending gate."""
        fires = self.fires
        assert fires is not None
        self.is_overtaken = True
        self.reached(None)
        self._step(f"dead-man's switch due at {fires:%H:%M:%S} UTC, before the node was verified")
        state, how = await self._undone(self.observer.context.clock.monotonic())
        waited_for = f"{missing.gate}: {missing.text}" if missing else ""
        return state, why_overtaken(fires, since, waited_for, how)

    async def _begin(self, since: datetime) -> tuple[NodeState, str] | None:
        """Begins or continues the change. Returns None, or the node's result if there is nothing to wait for."""
        try:
            answer = await self._call(TransactionStep.BEGIN)
        except NodeUnreachable as error:
            how = (
                "the dead-man's switch may still be set on the node"
                if self.begun
                else "nothing was changed"
            )
            return NodeState.UNTOUCHED, f"{error}; {how}"
        except NodeError as error:
            state, how = await self._undone(self.observer.context.clock.monotonic())
            return state, why_of(str(error), how)
        if answer.outcome is not TransactionState.BEGUN:
            is_due = self.begun and self._seconds_left() <= 0
            if is_due and answer.outcome in _NOT_GONE_ON_WITH:
                return await self._ended_by_its_switch(since)
            return await self._by_answer(answer)
        self.observer.new_process = answer.pid not in (0, self.pid_before)
        self.pid = answer.pid
        if not self.begun:
            self._step("config written, kubelet restarted")
        return None

    async def _gates(
        self, began: float, watch: "asyncio.Task[str] | None" = None
    ) -> GateResult | None:
        """Waits for the gates. Returns None if all have passed, else the pending gate.

        Stops early if the kubelet does not stay up. Also stops when the node's dead-man's switch is due, and
        returns the gate that was pending before, if any: later results would show the switch's
        effect.
        """
        clock = self.observer.context.clock
        reported, before = 0, None
        while True:
            if self.observer.context.lease is not None:
                self.observer.context.lease.check()
            self.is_overtaken = is_at_work(self.fires, clock.now())
            if self.is_overtaken:
                return before
            left = self.timeouts.gates - (clock.monotonic() - began)
            due = self._seconds_left()
            seen = await self._seen(min(left, due) if due > 0 else left, watch)
            if not seen[-1].passed and is_at_work(self.fires, clock.now()):
                continue
            for result in seen[reported:]:
                if result.passed and result.gate in _PASSED:
                    self._step(f"{_PASSED[result.gate]} {result.text}")
            reported = max(reported, sum(each.passed for each in seen))
            last = seen[-1]
            if watch is not None and watch.done():
                return GateResult(
                    ProofGate.STAYS_UP, passed=False, text=watch.result(), hopeless=True
                )
            if last.passed:
                return None
            self.reached(last.gate)
            if last.hopeless or clock.monotonic() - began > self.timeouts.gates:
                self.for_good = last.hopeless and last.gate in (ProofGate.APPROVED, ProofGate.NAMES)
                return last
            self.observer.context.progress.waiting(
                self.observer.node.node, f"{last.gate} ({last.text})"
            )
            before = last
            await clock.sleep(_PAUSE)

    def _seconds_left(self) -> float:
        if self.fires is None:
            return inf
        return (self.fires - self.observer.context.clock.now()).total_seconds()

    async def _seen(
        self, seconds: float, watch: "asyncio.Task[str] | None"
    ) -> tuple[GateResult, ...]:
        """The results of the gates from one observation.

        The observation is cancelled after `seconds`, or if the kubelet does not stay up. Otherwise
        an API server that accepts requests and never answers would delay this node's undo.
        """
        looking = asyncio.ensure_future(self.observer.observe())
        awaited: list[asyncio.Future[Any]] = [looking, *([watch] if watch else [])]
        try:
            longest = max(_LAST_LOOK, seconds)
            await asyncio.wait(awaited, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                return gate_results(looking.result())
            said = "no answer yet"
        except KubeError as error:
            said = str(error)
        finally:
            looking.cancel()
            await asyncio.wait([looking])
        return (GateResult(ProofGate.ANSWERS, passed=False, text=said),)

    async def _committed(self, began: float) -> tuple[NodeState, str]:
        answer = await self._insist(TransactionStep.COMMIT, began)
        if answer is None:
            why = f"every gate passed, but the node cannot be reached to commit the change; {_SET}"
            return NodeState.ARMED, why
        if answer.outcome is TransactionState.COMMITTED:
            return NodeState.DONE, ""
        return await self._by_answer(answer)

    async def _undone(self, began: float) -> tuple[NodeState, str]:
        answer = await self._insist(TransactionStep.ROLLBACK, began)
        if answer is None:
            return NodeState.ARMED, f"the node cannot be reached to undo the change; {_SET}"
        return await self._by_answer(answer)

    async def _by_answer(self, answer: TransactionAnswer) -> tuple[NodeState, str]:
        """The node's state according to its answer.

        After a commit, the kubelet's port must also serve the certificate.
        """
        match answer.outcome:
            case TransactionState.UNDONE | TransactionState.HALF:
                return await self._as_undone(answer)
            case TransactionState.NOTHING if self.begun or self.observer.new_process is not None:
                return NodeState.UNKNOWN, _NO_RECORD  # somebody has removed it meanwhile
            case TransactionState.NOTHING:
                return NodeState.UNTOUCHED, "nothing was changed"
            case TransactionState.COMMITTED if await self.observer.serves_well():
                return NodeState.DONE, "already done in this run"
            case TransactionState.REFUSED | TransactionState.BUSY:
                return NodeState.UNTOUCHED, answer.reason
        said = f"the node answered {answer.outcome!s}, but the kubelet's port does not confirm that"
        return NodeState.UNKNOWN, said

    async def _as_undone(self, answer: TransactionAnswer) -> tuple[NodeState, str]:
        """The state after an undo: UNDONE only if the files are restored and the kubelet stays up."""
        half = answer.outcome is TransactionState.HALF
        why = f"partially undone: {answer.reason}" if half else answer.reason
        try:
            down = await why_not_up(self.observer.context, self.observer.node.host)
        except NodeError as error:
            unseen = f"cannot tell whether the kubelet stays up: {error}"
            return NodeState.UNKNOWN, why_of(why, unseen)
        if down:
            files = "" if half else "the files are as before"
            return NodeState.FAILED, why_of(why, files, down)
        return (NodeState.UNKNOWN if half else NodeState.UNDONE), why

    async def _insist(self, action: TransactionStep, began: float) -> TransactionAnswer | None:
        """Repeats a step until the node answers. Returns None once the dead-man's switch must have fired."""
        clock = self.observer.context.clock
        deadline = began + self.timeouts.switch + 2 * _RETRY
        while True:
            try:
                answer = await self._call(action)
                if answer.outcome is not TransactionState.BUSY:
                    return answer
                said = answer.reason
            except NodeError as error:
                said = str(error)
            self.observer.context.progress.waiting(self.observer.node.node, f"an answer ({said})")
            if clock.monotonic() > deadline:
                return None
            await clock.sleep(_RETRY)

    async def _call(self, action: TransactionStep) -> TransactionAnswer:
        assert self.change is not None
        begins = action is TransactionStep.BEGIN
        fence = self.observer.context.fence
        script = render(action, self.change, self.seed if begins else None, fence=fence)
        transport = self.observer.context.transport
        try:
            result = await transport.run_script(
                self.observer.node.host, script, timeout=LONGEST_SCRIPT
            )
        except NodeUnreachable:
            raise
        except NodeError:
            if begins:
                self._note_switch(LONGEST_SCRIPT)
            raise
        self._learn(result.answer)
        return result.answer

    def _learn(self, answer: TransactionAnswer) -> None:
        """Records whether the node is armed, according to its answer. A refused or busy call changes nothing."""
        if answer.outcome in (TransactionState.BEGUN, TransactionState.HALF):
            fires = self._note_switch()
            node = self.observer.node.node
            assert self.change is not None
            self.observer.context.may_be_armed(ArmedNode(self.change.run, node, fires))
        elif answer.outcome not in (TransactionState.BUSY, TransactionState.REFUSED):
            self.fires = None

    def _note_switch(self, longest: float = 0.0) -> datetime:
        """Records the latest time at which the dead-man's switch fires. longest: seconds that setting the switch may take."""
        assert self.change is not None
        left = timedelta(seconds=self.change.switch_seconds + longest)
        self.fires = self.fires or self.observer.context.clock.now() + left
        return self.fires

    def _step(self, text: str) -> None:
        self.observer.context.progress.step(self.observer.node.node, text)
