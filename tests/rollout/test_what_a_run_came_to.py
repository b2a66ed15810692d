"""Endings of nodes become one exit code; a node's state machine ends truthfully, whatever the transport and the wire do."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.node.errors import AnswerLost, NodeError, NodeUnreachable
from kubevouch.node.script import Script, ScriptResult
from kubevouch.rollout.act import node_run
from kubevouch.rollout.act.node_run import NodeRun
from kubevouch.rollout.decide.gates import GateResult, ProofGate
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.result import ConfigMapResult, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    NodeChange,
    Seed,
    TransactionAnswer,
    TransactionState,
)
from kubevouch.system_clock import SystemClock
from tests.support.clocks import WoundClock

from .acting import STAYS_UP, Progress

UNTOUCHED, ARMED, DONE, UNDONE, DOWN, UNKNOWN = NodeState


def node(state: NodeState, why: str = "", *, away: bool = False) -> NodeResult:
    return NodeResult("n1", state, why, away=away)


STOPPED, AWAY = node(UNTOUCHED, "refused"), node(UNTOUCHED, "not Ready", away=True)
WAITS, OK, BACK = node(UNTOUCHED), node(DONE), node(UNDONE)
FAILS = ConfigMapResult("changed", failed=True)


@pytest.mark.parametrize(
    ("nodes", "other", "code"),
    [
        ([], {}, ExitCode.OK),
        ([OK, OK], {}, ExitCode.OK),
        ([OK], {"config_map": FAILS}, ExitCode.STOPPED),
        ([OK, WAITS], {"interrupted": True}, ExitCode.INTERRUPTED),
        ([BACK, WAITS], {}, ExitCode.UNDONE),
        ([OK, BACK, WAITS], {}, ExitCode.STOPPED),
        ([STOPPED, WAITS], {}, ExitCode.STOPPED),
        ([BACK, STOPPED], {}, ExitCode.STOPPED),
        ([OK, STOPPED], {}, ExitCode.STOPPED),
        *([[node(each), *rest], {}, ExitCode.STOPPED]
          for each in (ARMED, DOWN, UNKNOWN) for rest in ([], [OK], [WAITS])),
        ([OK], {"left_out": (LeftOut("w2", "NotReady"),)}, ExitCode.COULD_NOT_TELL),
        ([BACK], {"left_out": (LeftOut("w2", "NotReady"),)}, ExitCode.UNDONE),
        ([OK, AWAY], {}, ExitCode.COULD_NOT_TELL),
        ([AWAY], {}, ExitCode.COULD_NOT_TELL),
        ([AWAY, WAITS], {}, ExitCode.STOPPED),
    ],
)  # fmt: skip
def test_the_exit_code_says_what_came_of_the_nodes(
    nodes: list[NodeResult], other: dict[str, Any], code: ExitCode
) -> None:
    assert RunResult("r", tuple(nodes), **other).exit_code is code


def answer(outcome: TransactionState, why: str = "", pid: int = 2) -> TransactionAnswer:
    return TransactionAnswer(outcome, why.encode(), pid)


BEGUN, COMMITTED, WAS_UNDONE = (
    answer(TransactionState.BEGUN),
    answer(TransactionState.COMMITTED),
    answer(TransactionState.UNDONE),
)
BEGUN_BEFORE = answer(TransactionState.BEGUN, "already begun in this run")
BY_SWITCH = answer(TransactionState.UNDONE, "the node's own switch has undone this run")
BEFORE = answer(TransactionState.UNDONE, "undone before")
NOT_AGAIN = answer(TransactionState.REFUSED, "this run was undone on this node; make a new plan")
REFUSED = answer(TransactionState.REFUSED, "config.yaml has changed since the plan")
NOT_BEGUN = answer(TransactionState.NOTHING, "this run has not changed this node")
NO_RECORD = answer(TransactionState.NOTHING, "this run has not begun on this node")
HALF = answer(TransactionState.HALF, "config.yaml is immutable")
BUSY = answer(TransactionState.BUSY, "another call holds the lock")
BROKEN = TransactionAnswer(TransactionState.UNDONE, b"", 0)
LOG = b"E1126 command failed\x1b[2J\nerr=unknown flag: --no-such-flag\n"
TOLD = "the end of its log: E1126 command failed [2J | err=unknown flag: --no-such-flag"
FAILED = WatchedKubelet("inactive", 11, 10, b"activating", LOG)
CRASHES = WatchedKubelet("restarts", 25, 1, b"active", LOG)
RESTLESS = WatchedKubelet("time", 45, 9, b"active")
FRESH = Seed("/k/pki/c", "0", "/k/pki/k", 0, 1, chain_pem=b"chain")
GONE, CUT = NodeUnreachable("n1", "connection refused"), AnswerLost("n1", "cut")
PASSED, MISSING = True, False


@dataclass
class Course:
    """What the transport answers to begin, commit and undo in turn (the last one for ever), and whether the gates pass."""

    begin: TransactionAnswer | NodeError
    gates: bool = PASSED
    end: Sequence[TransactionAnswer | NodeError] = (COMMITTED,)
    well: bool = False
    """The wire shows a trusted certificate of this node."""

    begun: bool = False
    beside: WatchedKubelet | NodeError | None = None
    """What is seen of the kubelet while the gates are waited for; None for nothing of note."""

    afterwards: WatchedKubelet | NodeError = STAYS_UP
    """What is seen of it after it was put back."""


CASES: dict[str, tuple[Course, NodeState, str]] = {
    "begun, proven, committed": (Course(BEGUN), DONE, ""),
    "no shell": (Course(GONE), UNTOUCHED, "nothing was changed"),
    "refused before harm": (Course(REFUSED), UNTOUCHED, "changed since the plan"),
    "the kubelet did not restart": (Course(WAS_UNDONE), UNDONE, ""),
    "begun before, by a process that has lost the Lease": (Course(BEGUN_BEFORE), DONE, ""),
    "this run was cut off here, and goes on": (Course(BEGUN_BEFORE, begun=True), DONE, ""),
    "already done in this run": (Course(COMMITTED, well=True), DONE, "already done"),
    "a node that only says that it is done": (Course(COMMITTED), UNKNOWN, "the kubelet's port does not confirm that"),
    "a node that answers what nobody asked": (Course(NOT_BEGUN, well=True), UNTOUCHED, "nothing"),
    "another call is at work there": (Course(BUSY), UNTOUCHED, "lock"),
    "the kubelet did not restart, nor again with the old files": (Course(BROKEN, afterwards=FAILED), DOWN, f"the files are as before; the kubelet was not active for 10 s (state: activating); {TOLD}"),
    "undone by half": (Course(BEGUN, MISSING, [HALF]), ARMED, "immutable"),
    "undone, and the kubelet does not run": (Course(BEGUN, MISSING, [BROKEN], afterwards=CRASHES), DOWN, "the kubelet has exited twice"),
    "undone, and the kubelet comes and goes": (Course(BEGUN, MISSING, [WAS_UNDONE], afterwards=RESTLESS), DOWN, "never stayed up for 5 s"),
    "undone by half, and the kubelet is down": (Course(BEGUN, MISSING, [HALF], afterwards=FAILED), ARMED, "immutable; the kubelet was not active"),
    "undone, and nobody can see whether its kubelet stays up": (Course(BEGUN, MISSING, [WAS_UNDONE], afterwards=GONE), UNKNOWN, "cannot tell whether"),
    "the kubelet does not come up with the new file": (Course(BEGUN, MISSING, [WAS_UNDONE], beside=FAILED), UNDONE, "kubelet stays up: the kubelet was not active for 10 s"),
    "the kubelet ends again and again with the new file": (Course(BEGUN, MISSING, [WAS_UNDONE], beside=CRASHES), UNDONE, "kubelet stays up: the kubelet has exited twice"),
    "who watches is cut off": (Course(BEGUN, MISSING, [WAS_UNDONE], beside=CUT), UNDONE, "CSR"),
    "not proven, undone once the lock is free": (Course(BEGUN, MISSING, [BUSY, BUSY, WAS_UNDONE]), UNDONE, "CSR"),
    "not proven, undone by us": (Course(BEGUN, MISSING, [WAS_UNDONE]), UNDONE, "CSR"),
    "not proven here, and committed by another who has proven it": (Course(BEGUN, MISSING, [COMMITTED], well=True), DONE, "already done in this run"),
    "not proven here, and the node says that it is committed": (Course(BEGUN, MISSING, [COMMITTED]), UNKNOWN, "the kubelet's port does not confirm that"),
    "not proven, undone at the third try": (Course(BEGUN, MISSING, [CUT, GONE, WAS_UNDONE]), UNDONE, "CSR"),
    "not proven, and out of reach; nothing can be seen": (Course(BEGUN, MISSING, [GONE]), ARMED, "cannot tell whether its dead-man's switch has undone it"),
    "proven, and out of reach for the commit": (Course(BEGUN, PASSED, [GONE]), ARMED, "cannot be reached to commit the change; cannot tell whether its dead-man's switch"),
    "proven, but the switch was faster": (Course(BEGUN, PASSED, [BY_SWITCH]), UNDONE, "own switch"),
    "proven, and its record is gone": (Course(BEGUN, PASSED, [NO_RECORD]), UNKNOWN, "the node has lost its record of this run"),
    "begun without a process, and its record is gone": (Course(answer(TransactionState.BEGUN, pid=0), MISSING, [NOT_BEGUN]), UNKNOWN, "lost its record"),
    "found begun, the connection broke, and its record is gone": (Course(CUT, PASSED, [NOT_BEGUN], begun=True), UNKNOWN, "lost its record"),
    "not proven, and its record is gone": (Course(BEGUN, MISSING, [NOT_BEGUN]), UNKNOWN, "CSR: the kubelet has made no CSR yet; the node has lost its record"),
    "the connection broke at begin, which had begun": (Course(CUT, PASSED, [WAS_UNDONE]), UNDONE, "cut"),
    "the connection broke at begin, which had not begun": (Course(CUT, PASSED, [NOT_BEGUN]), UNTOUCHED, "nothing was changed"),
}  # fmt: skip


@dataclass
class ScriptedTransport:
    """Answers as its script says."""

    script: Course
    name: str = "scripted"
    said: list[str] = field(default_factory=list)

    async def run_script(
        self, host: str, script: Script[TransactionAnswer], *, timeout: float, alias: str = ""
    ) -> ScriptResult[TransactionAnswer]:
        if script.name == "watch":
            return ScriptResult(await self._watched("steady=0" in script.text))  # type: ignore[arg-type]
        self.said.append(script.name)
        if "begin" in script.name:
            found = self.script.begin
        else:
            index = sum("begin" not in name for name in self.said) - 1
            found = self.script.end[min(index, len(self.script.end) - 1)]
        if isinstance(found, NodeError):
            raise found
        return ScriptResult(found)

    async def _watched(self, beside: bool) -> WatchedKubelet:
        await asyncio.sleep(0)  # a connection takes its time, so that others go on
        found = self.script.beside if beside else self.script.afterwards
        if found is None:
            await asyncio.Event().wait()  # until nobody waits for the gates any more
        if isinstance(found, NodeError):
            raise found
        assert found is not None
        return found


class Observed:
    """A node seen from outside: all gates passed, or the CSR missing for ever."""

    def __init__(self, script: Course, transport: ScriptedTransport, clock: Clock) -> None:
        self.approved: set[str] = set()
        self.over: list[str] = []
        self.new_process: bool | None = None
        self._well = script.well
        self.context = type(
            "Context",
            (),
            {
                "lease": None,
                "fence": 0,
                "clock": clock,
                "transport": transport,
                "progress": Progress(),
                "stop": lambda: False,
                "is_over": staticmethod(self.over.append),
                "may_be_armed": staticmethod(lambda _: None),
            },
        )
        self.node = type("Node", (), {"node": "n1", "host": "n1"})

    async def observe(self) -> None:
        await asyncio.sleep(0)

    async def serves_well(self) -> bool:
        return self._well


async def run_of(
    observed: Observed,
    gates: float = 30,
    begun: ArmedNode | None = None,
    switch: int = 60,
) -> NodeResult:
    """What becomes of the node. switch: the seconds of its own."""
    change = NodeChange(
        run="run", node="m", machine_id="i", identity_path="s", content=b"", switch_seconds=switch
    )
    run = NodeRun(observed, RolloutTimeouts(gates), change, FRESH, pid_before=1, begun=begun)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        return await run.run()


@pytest.mark.parametrize("name", CASES)
async def test_a_node_ends_as_it_really_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script, outcome, why = CASES[name]
    missing = GateResult(ProofGate.CSR, script.gates, "the kubelet has made no CSR yet")
    monkeypatch.setattr(node_run, "gate_results", lambda _: (missing,))
    clock = WoundClock()
    transport = ScriptedTransport(script)
    observed = Observed(script, transport, clock)
    begun = ArmedNode("run", "n1", clock.now() + timedelta(seconds=9)) if script.begun else None
    result = await run_of(observed, begun=begun)
    assert result.state is outcome, result
    assert why in result.why
    assert not result.why.startswith("undone"), "the outcome says so"
    assert not result.why.endswith("; undone"), "the outcome says so"
    assert bool(observed.over) == (outcome is not ARMED)
    assert script.gates or "transaction (commit)" not in transport.said, "it is not proven"
    assert clock.monotonic() < 10 * RolloutTimeouts(30).switch


@pytest.mark.parametrize(
    ("beside", "gates", "why"),
    [
        (None, 0.3, "API server answers: no answer yet"),
        (FAILED, 30, "kubelet stays up: the kubelet was not active for 10 s"),
    ],
)
async def test_an_api_server_that_is_silent_holds_up_neither_the_end_of_the_gates_nor_a_kubelet_that_is_down(
    monkeypatch: pytest.MonkeyPatch, beside: WatchedKubelet | None, gates: float, why: str
) -> None:
    """A request is waited for half a minute, and there are several in one look: the switch went off before the run saw to it."""
    script = Course(BEGUN, end=[WAS_UNDONE], beside=beside)
    observed = Observed(script, ScriptedTransport(script), SystemClock())
    monkeypatch.setattr(observed, "observe", asyncio.Event().wait)
    result = await run_of(observed, gates)
    assert result.state is UNDONE, result
    assert why in result.why, result


OWN = "the dead-man's switch undid the change at {}, before the node was verified; this attempt had begun on the node {} s earlier"
DUE = "the dead-man's switch was due at {}, before the node was verified; this attempt had begun on the node {} s earlier"


async def gone_on_with(
    script: Course, clock: WoundClock, gates: float, fires: datetime
) -> NodeResult:
    """The result of a node where this run had begun before. fires: when its own switch goes off."""
    observed = Observed(script, ScriptedTransport(script), clock)
    return await run_of(observed, gates, ArmedNode("run", "n1", fires), 80)


@pytest.mark.parametrize(
    ("script", "left", "outcome", "why"),
    [
        (Course(BEGUN_BEFORE, MISSING, [BEFORE]), 9, UNDONE, f"{OWN}; the run waited for the kubelet's CSR: "),
        # It is put back by us where the switch is slow, and left to it where it does not answer.
        (Course(BEGUN_BEFORE, MISSING, [WAS_UNDONE]), 9, UNDONE, f"{DUE}; the run waited for the kubelet's CSR: "),
        (Course(BEGUN_BEFORE, MISSING, [BUSY, BEFORE]), 9, UNDONE, OWN),
        (Course(BEGUN_BEFORE, MISSING, [BEFORE], beside=FAILED), 0, UNDONE, OWN),
        # It goes off while the operator is asked, or before the first look.
        (Course(NOT_AGAIN, MISSING, [BEFORE]), -200, UNDONE, "the dead-man's switch undid the change at {}, before the node was verified"),
        (Course(BEGUN_BEFORE, MISSING, [HALF]), 9, ARMED, DUE),
    ],
)  # fmt: skip
async def test_a_switch_that_goes_off_while_a_node_is_proven_is_the_reason_at_once(
    monkeypatch: pytest.MonkeyPatch, script: Course, left: int, outcome: NodeState, why: str
) -> None:
    """What the wire shows after that follows from it, and is not the reason."""
    clock = WoundClock()
    fires = clock.now() + timedelta(seconds=left)

    def seen(_: object) -> tuple[GateResult, ...]:
        if clock.now() < fires:
            return (
                GateResult(ProofGate.CSR, passed=False, text="the kubelet has made no CSR yet"),
            )
        return (GateResult(ProofGate.SERVED, passed=False, text="KV304 has expired"),)

    monkeypatch.setattr(node_run, "gate_results", seen)
    result = await gone_on_with(script, clock, 60, fires)
    assert result.state is outcome, result
    assert result.why.startswith(why.format(f"{fires:%H:%M:%S} UTC", left)), result
    assert "KV304" not in result.why
    assert clock.monotonic() < 20, "the gates are not waited for any more"


async def test_a_switch_that_is_long_at_work_ends_no_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its timer may be gone: nobody else brings the node to an end."""
    script = Course(BEGUN_BEFORE, MISSING, [WAS_UNDONE])
    missing = GateResult(ProofGate.CSR, passed=False, text="the kubelet has made no CSR yet")
    monkeypatch.setattr(node_run, "gate_results", lambda _: (missing,))
    clock = WoundClock()
    result = await gone_on_with(script, clock, 30, clock.now() - timedelta(seconds=61))
    assert result.state is UNDONE
    assert result.why.startswith("the kubelet's CSR: the kubelet has made no CSR yet"), result
    assert clock.monotonic() > 30


def test_the_switch_goes_off_after_the_gates_are_given_up() -> None:
    for gates in (1.0, 10.0, 180.0, 3600.0):
        assert gates + 20 <= RolloutTimeouts(gates).switch <= gates + 60
