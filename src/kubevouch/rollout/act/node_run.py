"""One node from its first change to its last gate: begin, look, commit, or undo."""

from dataclasses import dataclass

from kubevouch.kube.errors import KubeError
from kubevouch.node.errors import NodeError, Unreachable
from kubevouch.rollout.gates import Gate, Standing, standings
from kubevouch.rollout.looking import Observation
from kubevouch.rollout.result import Ending, NodeResult
from kubevouch.rollout.surroundings import Patience
from kubevouch.rollout.transaction import (
    Action,
    NodeChange,
    Seed,
    State,
    TransactionAnswer,
    render,
)

_CARRY = 90.0
_PAUSE = 1.0
_RETRY = 5.0

# What a person who watches wants to know on the way; the other gates are told only while they are waited for.
_TOLD = {
    Gate.NAMES: "signed for",
    Gate.SERVED: "serves it at",
    Gate.METRICS: "in the metrics API:",
}


@dataclass
class NodeRun:
    """One node's change under way. change: None where nothing is written on it."""

    observation: Observation
    patience: Patience
    change: NodeChange | None
    seed: Seed | None
    pid_before: int

    async def run(self) -> NodeResult:
        """Carries it through to a result; an error of the way or the API server is one, too."""
        clock = self.observation.around.clock
        began = clock.monotonic()
        ending, why = await self._run(began)
        return NodeResult(
            node=self.observation.node.node,
            ending=ending,
            why=why,
            seconds=clock.monotonic() - began,
            requests=tuple(sorted(self.observation.approved)),
        )

    async def _run(self, began: float) -> tuple[Ending, str]:
        if self.change is None:
            missing = await self._gates(began)
            return (Ending.STOPPED, missing.text) if missing else (Ending.DONE, "")
        begun = await self._begin()
        if begun is not None:
            return begun
        missing = await self._gates(began)
        if missing is not None:
            ending, how = await self._undone(began)
            return ending, f"{missing.gate}: {missing.text}; {how}"
        return await self._committed(began)

    async def _begin(self) -> tuple[Ending, str] | None:
        """None: it has begun. Else how it ended already."""
        try:
            answer = await self._call(Action.BEGIN)
        except Unreachable as error:
            return Ending.STOPPED, f"{error}; nothing was changed"
        except NodeError as error:
            ending, how = await self._undone(self.observation.around.clock.monotonic())
            return ending, f"{error}; {how}"
        if answer.outcome in (State.REFUSED, State.BUSY):
            return Ending.STOPPED, answer.reason
        if answer.outcome in (State.UNDONE, State.HALF):
            return self._as_undone(answer)
        if answer.outcome is not State.BEGUN:
            return await self._committed_before(answer)
        self.observation.new_process = answer.pid not in (0, self.pid_before)
        self._step("seeded, written, restarted")
        return None

    async def _gates(self, began: float) -> Standing | None:
        """None: all passed. Else the one that was not, when the time was over."""
        clock = self.observation.around.clock
        reported = 0
        while True:
            try:
                seen = standings(await self.observation.look())
            except KubeError as error:
                seen = (Standing(Gate.ANSWERS, passed=False, text=str(error)),)
            for standing in seen[reported:]:
                if standing.passed and standing.gate in _TOLD:
                    self._step(f"{_TOLD[standing.gate]} {standing.text}")
            reported = max(reported, sum(each.passed for each in seen))
            last = seen[-1]
            if last.passed:
                return None
            if last.hopeless or clock.monotonic() - began > self.patience.gates:
                return last
            self.observation.around.watcher.waiting(
                self.observation.node.node, f"{last.gate} ({last.text})"
            )
            await clock.sleep(_PAUSE)

    async def _committed(self, began: float) -> tuple[Ending, str]:
        answer = await self._insist(Action.COMMIT, began)
        if answer is None:
            return await self._by_its_switch(
                "it passed every gate, but could not be reached to commit"
            )
        if answer.outcome is State.COMMITTED:
            return Ending.DONE, ""
        if answer.outcome in (State.UNDONE, State.HALF):
            return self._as_undone(answer)
        return Ending.UNKNOWN, answer.reason

    async def _undone(self, began: float) -> tuple[Ending, str]:
        answer = await self._insist(Action.UNDO, began)
        if answer is None:
            return await self._by_its_switch("it could not be reached to undo it")
        if answer.outcome in (State.UNDONE, State.HALF):
            return self._as_undone(answer)
        if answer.outcome is State.NOTHING:
            return Ending.STOPPED, "nothing was changed"
        return Ending.UNKNOWN, answer.reason

    async def _committed_before(self, answer: TransactionAnswer) -> tuple[Ending, str]:
        """The node says that this run was done on it: what it serves must say so, too."""
        if answer.outcome is State.COMMITTED and await self.observation.serves_well():
            return Ending.DONE, "done in this run before"
        return (
            Ending.UNKNOWN,
            f"it answered {answer.outcome!s}, and the wire does not bear that out",
        )

    @staticmethod
    def _as_undone(answer: TransactionAnswer) -> tuple[Ending, str]:
        """Undone only if the files are back and the kubelet runs."""
        if answer.outcome is State.HALF:
            return Ending.UNKNOWN, f"undone by half: {answer.reason}"
        if not answer.kubelet_runs:
            return (
                Ending.UNKNOWN,
                f"its files are as before, but its kubelet does not run: {answer.reason}",
            )
        return Ending.UNDONE, f"undone{': ' + answer.reason if answer.reason else ''}"

    async def _by_its_switch(self, what: str) -> tuple[Ending, str]:
        """The switch has gone off by now, if the node lives. The wire tells, where before and after can be told apart."""
        if self.seed is not None and await self.observation.serves_as_before():
            return Ending.UNDONE, f"{what}; its own switch has undone it, as the wire shows"
        return Ending.UNKNOWN, f"{what}; its own switch was set to undo it, which could not be seen"

    async def _insist(self, action: Action, began: float) -> TransactionAnswer | None:
        """Calls until the node answers; None once its own switch must have gone off without one."""
        clock = self.observation.around.clock
        deadline = began + self.patience.switch + 2 * _RETRY
        while True:
            try:
                answer = await self._call(action)
                if answer.outcome is not State.BUSY:
                    return answer
                said = answer.reason
            except NodeError as error:
                said = str(error)
            self.observation.around.watcher.waiting(self.observation.node.node, said)
            if clock.monotonic() > deadline:
                return None
            await clock.sleep(_RETRY)

    async def _call(self, action: Action) -> TransactionAnswer:
        assert self.change is not None
        script = render(action, self.change, self.seed if action is Action.BEGIN else None)
        way = self.observation.around.way
        return (await way.carry(self.observation.node.host, script, timeout=_CARRY)).answer

    def _step(self, text: str) -> None:
        self.observation.around.watcher.step(self.observation.node.node, text)
