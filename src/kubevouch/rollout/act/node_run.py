"""The run of one node from its first change to its last gate: begin, observe, then commit or undo."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubevouch.kube.errors import KubeError
from kubevouch.node.errors import NodeError, NodeUnreachable
from kubevouch.rollout.act.observe import NodeObserver
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.gates import GateResult, ProofGate, gate_results
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    NodeChange,
    Seed,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)

_CARRY = 90.0
_PAUSE = 1.0
_RETRY = 5.0

# What a person who watches wants to know on the way; the other gates are told only while they are waited for.
_TOLD = {
    ProofGate.NAMES: "signed for",
    ProofGate.SERVED: "serves it at",
    ProofGate.METRICS: "in the metrics API:",
}


@dataclass
class NodeRun:
    """The change of one node while it is under way. change: None if nothing is written on the node."""

    observer: NodeObserver
    timeouts: RolloutTimeouts
    change: NodeChange | None
    seed: Seed | None
    pid_before: int
    begun: ArmedNode | None = None
    """This run was found begun on it, and cut off: it goes on."""

    armed: bool = field(init=False)
    """It may be armed, by all that its answers have told."""

    fires: datetime | None = field(init=False)
    """When its switch goes off at the latest; None before it is set."""

    def __post_init__(self) -> None:
        self.armed = self.begun is not None
        self.fires = self.begun.fires if self.begun else None

    async def run(self) -> NodeResult:
        """Runs the change to its result. An error of the transport or the API server becomes a result, too."""
        clock = self.observer.context.clock
        began = clock.monotonic()
        outcome, why = await self._run(began)
        self.armed = self.armed and outcome not in (NodeOutcome.DONE, NodeOutcome.UNDONE)
        if not self.armed:
            self.observer.context.armed(None)
        return NodeResult(
            node=self.observer.node.node,
            outcome=outcome,
            why=why,
            seconds=clock.monotonic() - began,
            csrs=tuple(sorted(self.observer.approved)),
            armed=self.armed,
        )

    async def _run(self, began: float) -> tuple[NodeOutcome, str]:
        if self.change is None:
            missing = await self._gates(began)
            return (NodeOutcome.STOPPED, missing.text) if missing else (NodeOutcome.DONE, "")
        begun = await self._begin()
        if begun is not None:
            return begun
        missing = await self._gates(began)
        if missing is not None:
            outcome, how = await self._undone(began)
            return outcome, _joined(f"{missing.gate}: {missing.text}", how)
        return await self._committed(began)

    async def _begin(self) -> tuple[NodeOutcome, str] | None:
        """Begins the change, or goes on with it. Returns None, or the result if the node has one already."""
        try:
            answer = await self._call(TransactionStep.BEGIN)
        except NodeUnreachable as error:
            how = "this run is still armed on it" if self.begun else "nothing was changed"
            return NodeOutcome.STOPPED, f"{error}; {how}"
        except NodeError as error:
            outcome, how = await self._undone(self.observer.context.clock.monotonic())
            return outcome, _joined(str(error), how)
        if answer.outcome is not TransactionState.BEGUN:
            return await self._not_begun(answer)
        if answer.reason and not self.begun:  # by somebody else, since the check
            how = "by another `fix --apply` of this plan; it is left to that one"
            return NodeOutcome.STOPPED, f"{answer.reason}, {how}"
        self.observer.new_process = answer.pid not in (0, self.pid_before)
        if not self.begun:
            self._step("seeded, written, restarted")
        return None

    async def _not_begun(self, answer: TransactionAnswer) -> tuple[NodeOutcome, str]:
        """What became of a node on which the run did not begin."""
        if answer.outcome in (TransactionState.REFUSED, TransactionState.BUSY):
            return NodeOutcome.STOPPED, answer.reason
        if answer.outcome in (TransactionState.UNDONE, TransactionState.HALF):
            return self._as_undone(answer)
        return await self._committed_before(answer)

    async def _gates(self, began: float) -> GateResult | None:
        """Waits for the gates. Returns None if all passed, else the one that had not passed when the time was over."""
        clock = self.observer.context.clock
        reported = 0
        while True:
            try:
                seen = gate_results(await self.observer.observe())
            except KubeError as error:
                seen = (GateResult(ProofGate.ANSWERS, passed=False, text=str(error)),)
            for result in seen[reported:]:
                if result.passed and result.gate in _TOLD:
                    self._step(f"{_TOLD[result.gate]} {result.text}")
            reported = max(reported, sum(each.passed for each in seen))
            last = seen[-1]
            if last.passed:
                return None
            if last.hopeless or clock.monotonic() - began > self.timeouts.gates:
                return last
            self.observer.context.progress.waiting(
                self.observer.node.node, f"{last.gate} ({last.text})"
            )
            await clock.sleep(_PAUSE)

    async def _committed(self, began: float) -> tuple[NodeOutcome, str]:
        answer = await self._insist(TransactionStep.COMMIT, began)
        if answer is None:
            return await self._by_its_switch(
                "it passed every gate, but could not be reached to commit"
            )
        if answer.outcome is TransactionState.COMMITTED:
            return NodeOutcome.DONE, ""
        if answer.outcome in (TransactionState.UNDONE, TransactionState.HALF):
            return self._as_undone(answer)
        return NodeOutcome.UNKNOWN, answer.reason

    async def _undone(self, began: float) -> tuple[NodeOutcome, str]:
        answer = await self._insist(TransactionStep.UNDO, began)
        if answer is None:
            return await self._by_its_switch("it could not be reached to undo it")
        if answer.outcome in (TransactionState.UNDONE, TransactionState.HALF):
            return self._as_undone(answer)
        if answer.outcome is TransactionState.NOTHING:
            return NodeOutcome.STOPPED, "nothing was changed"
        return NodeOutcome.UNKNOWN, answer.reason

    async def _committed_before(self, answer: TransactionAnswer) -> tuple[NodeOutcome, str]:
        """The result if the node says that this run is committed on it, which what it serves must confirm."""
        if answer.outcome is TransactionState.COMMITTED and await self.observer.serves_well():
            return NodeOutcome.DONE, "done in this run before"
        return (
            NodeOutcome.UNKNOWN,
            f"it answered {answer.outcome!s}, and the wire does not bear that out",
        )

    @staticmethod
    def _as_undone(answer: TransactionAnswer) -> tuple[NodeOutcome, str]:
        """Undone only if the files are back and the kubelet runs."""
        if answer.outcome is TransactionState.HALF:
            return NodeOutcome.UNKNOWN, f"undone by half: {answer.reason}"
        if not answer.kubelet_runs:
            return (
                NodeOutcome.UNKNOWN,
                f"its files are as before, but its kubelet does not run: {answer.reason}",
            )
        return NodeOutcome.UNDONE, answer.reason

    async def _by_its_switch(self, what: str) -> tuple[NodeOutcome, str]:
        """The switch has gone off by now, if the node lives. The wire tells, where before and after can be told apart."""
        if self.seed is not None and await self.observer.serves_as_before():
            return NodeOutcome.UNDONE, f"{what}; its own switch has undone it, as the wire shows"
        return (
            NodeOutcome.UNKNOWN,
            f"{what}; its own switch was set to undo it, which could not be seen",
        )

    async def _insist(self, action: TransactionStep, began: float) -> TransactionAnswer | None:
        """Repeats a step until the node answers; None once its switch must have fired without an answer."""
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
            self.observer.context.progress.waiting(self.observer.node.node, said)
            if clock.monotonic() > deadline:
                return None
            await clock.sleep(_RETRY)

    async def _call(self, action: TransactionStep) -> TransactionAnswer:
        assert self.change is not None
        begins = action is TransactionStep.BEGIN
        script = render(action, self.change, self.seed if begins else None)
        transport = self.observer.context.transport
        self._tell_armed(sure=False, longest=_CARRY)
        try:
            result = await transport.run_script(self.observer.node.host, script, timeout=_CARRY)
        except NodeUnreachable:
            raise
        except NodeError:
            self.armed = self.armed or begins
            raise
        self._learn(result.answer)
        return result.answer

    def _learn(self, answer: TransactionAnswer) -> None:
        """Whether it is armed after that answer. A call that was refused has changed nothing about it."""
        if answer.outcome in (TransactionState.BEGUN, TransactionState.HALF):
            self.armed = True
            self._tell_armed(sure=True)
        elif answer.outcome not in (TransactionState.BUSY, TransactionState.REFUSED):
            self.armed = False

    def _tell_armed(self, *, sure: bool, longest: float = 0.0) -> None:
        """longest: how many seconds from now the switch may be set, where it is not set yet."""
        assert self.change is not None
        context = self.observer.context
        left = timedelta(seconds=self.change.switch_seconds + longest)
        fires = self.fires or context.clock.now() + left
        if self.armed:
            self.fires = fires
        context.armed(ArmedNode(self.change.run, self.observer.node.node, fires, sure))

    def _step(self, text: str) -> None:
        self.observer.context.progress.step(self.observer.node.node, text)


def _joined(why: str, how: str) -> str:
    return f"{why}; {how}" if how else why
