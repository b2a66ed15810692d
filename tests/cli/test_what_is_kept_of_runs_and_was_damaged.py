"""What is kept of runs here, damaged or exchanged: it ends no verb, and nobody is told by it that all is well or that nothing was begun."""

import json
import os
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.armed_record import ArmedRecord
from kubevouch.cli.common.run_history import (
    has_no_end,
    how_it_ended,
    switches_due_by,
    times_of,
    undos_in,
    was_begun_here,
)
from kubevouch.cli.common.run_log import RunLog, begun_log, ending_logged
from kubevouch.cli.common.runs import runs_folder
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import ExitCode
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.plan_text import text_of
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.cli.test_a_run_that_is_not_finished import LATER, UID, WORKER, begun, folder, held_since
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

PLAN = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="abcd")
HOLDER = "abcd on alice@laptop (1)"
UNDOER = "abcd on alice@laptop (undo 1)"


@pytest.fixture
def case() -> str:
    return "healthy"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    found = Terminal(None, StringIO(), StringIO(), {"HOME": str(tmp_path)})
    runs_folder(found.environment).mkdir(parents=True)
    return found


def logged(terminal: Terminal, holder: str = HOLDER) -> RunLog:
    lease = RunLease(SystemClock(), holder, print)
    return begun_log(PLAN, "change 1 node", lease, terminal, RolloutTimeouts(60, 5))


def ended(log: RunLog, outcome: NodeOutcome, why: str = "") -> None:
    with ending_logged(log) as tell:
        result = RunResult("abcd", (NodeResult(WORKER, outcome, why),), "")
        tell(result, ExitCode.OK)


# The log.


def read_all(terminal: Terminal) -> list[object]:
    """All that is ever read off a log."""
    environment = terminal.environment
    return [
        how_it_ended("abcd", environment),
        has_no_end("abcd", environment, undone=True),
        switches_due_by("abcd", environment),
        times_of("abcd", environment),
        undos_in("abcd", environment),
        was_begun_here(HOLDER, environment),
    ]


DAMAGE = {
    "no UTF-8": b'{"what":"ends","at":"2026-01-01T00:00:00Z","process":1,"error":"\xc3"}',
    "deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a large number": b'{"what":"ends","at":"2026-01-01T00:00:00Z","process":' + b"9" * 5000 + b"}",
    "no moment": b'{"what":"begins","at":"2026-01-01T00:00:00","process":1}',
    "zeros": b"\0" * 5000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_line_of_a_log_that_cannot_be_read_is_passed_over(
    terminal: Terminal, damage: str
) -> None:
    log = logged(terminal)
    ended(log, NodeOutcome.DONE)
    before = read_all(terminal)
    with log.path.open("ab") as file:
        file.write(DAMAGE[damage] + b"\n")
    assert read_all(terminal) == before


def test_lines_of_another_run_in_a_log_tell_nothing_of_this_one(terminal: Terminal) -> None:
    log = logged(terminal)
    log.write("armed", node=WORKER, armed=True, fires=SystemClock().now() + LATER)
    log.let_go()
    before = read_all(terminal)
    assert before[:2] == ["it was cut off", True]
    other = log.path.with_name("ffff.log")
    other.write_bytes(log.path.read_bytes().replace(b"abcd", b"ffff"))
    ended(RunLog("ffff", terminal, SystemClock()), NodeOutcome.DONE)
    with log.path.open("ab") as file:
        file.write(other.read_bytes())
    assert read_all(terminal) == before


def test_a_log_that_is_cut_off_anywhere_tells_of_no_end_that_is_not_there_and_goes_on(
    terminal: Terminal,
) -> None:
    """As a power cut leaves it. The process after that begins a line of its own."""
    log = logged(terminal)
    ended(log, NodeOutcome.DONE, "as it is — done")
    whole = log.path.read_bytes()
    for size in range(len(whole) - 1):  # the line end alone is no loss
        log.path.write_bytes(whole[:size])
        assert how_it_ended("abcd", terminal.environment) in ("", "it was cut off")
        ended(logged(terminal, UNDOER), NodeOutcome.UNDONE)
        told = how_it_ended("abcd", terminal.environment)
        assert told == "its undo ended with 1 undone", whole[:size]


# Which nodes are in hand.


async def test_a_record_of_nodes_in_hand_that_is_cut_off_anywhere_calls_nothing_well(
    kubevouch: Program, stage: Stage
) -> None:
    """What it said stands in the log, too, whose every line is on the disk."""
    fires = SystemClock().now() + LATER
    environment = {"HOME": str(kubevouch.home)}
    log = logged(Terminal(None, StringIO(), StringIO(), environment))
    begun(kubevouch, UID, fires)
    record = ArmedRecord(UID, "abcd", Terminal(None, None, None, environment), log)
    record(WORKER, None)
    record(WORKER, ArmedNode("abcd", WORKER, fires))
    log.let_go()
    await held_since(stage, 100, HOLDER)
    path = folder(kubevouch) / "abcd.armed"
    whole = path.read_bytes()
    for left in (whole[:0], whole[:1], whole[: len(whole) // 2], whole[:-1], b"\0" * len(whole)):
        path.write_bytes(left)
        ran = await kubevouch("verify")
        assert ran.code == 3, (left, ran)
        assert "KV905" in ran.out
        assert "\nOK" not in ran.out


async def test_a_switch_may_go_off_at_the_end_of_all_time(kubevouch: Program, stage: Stage) -> None:
    begun(kubevouch, UID, datetime.max.replace(tzinfo=UTC))
    verify, kept = await kubevouch.several(("verify",), ("status", "--list"))
    assert (verify.code, "KV905" in verify.out) == (3, True), verify
    assert (kept.code, f"{WORKER} was armed" in " ".join(kept.out.split())) == (0, True), kept


# The plan.


@pytest.mark.parametrize("left", [None, b"", b"{"], ids=["gone", "empty", "cut off"])
async def test_a_run_whose_plan_is_lost_has_its_nodes_in_hand_all_the_same(
    kubevouch: Program, stage: Stage, left: bytes | None
) -> None:
    """It was stopped at once, say, and has given its Lease back."""
    begun(kubevouch, UID, SystemClock().now() + LATER)
    path = folder(kubevouch) / "abcd.json"
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    verify, kept = await kubevouch.several(("verify",), ("status", "--list"))
    assert (verify.code, "KV905" in verify.out) == (3, True), verify
    assert "NEXT     kubevouch status abcd\n" in verify.out
    # One of that run ends with its broken plan.
    leads_on = "kubevouch status abcd" if left is None else "kubevouch status"
    assert f"NEXT     {leads_on}\n" in kept.out, kept
    told = " ".join(kept.out.split())
    assert f"{WORKER} was armed when it was last heard of" in told, kept
    assert ("its plan is not here any more" if left is None else "its plan cannot be read") in told


@pytest.mark.parametrize("verb", [("undo", "abcd"), ("resume", "abcd"), ("status", "abcd")])
async def test_the_plan_of_another_run_in_the_place_of_a_runs_own_is_not_taken_for_it(
    kubevouch: Program, stage: Stage, verb: tuple[str, ...]
) -> None:
    """Whoever says `undo abcd` wants no other run undone."""
    other = msgspec.structs.replace(PLAN, run="ffff")
    folder(kubevouch).mkdir(parents=True)
    path = folder(kubevouch) / "abcd.json"
    path.write_text(text_of(other))
    ran = await kubevouch(*verb, *(["--yes"] if verb[0] != "status" else []))
    assert ran.code == 2, ran
    assert f"{path}: is the plan of run ffff, not of abcd" in ran.err
    assert stage.server.requests == []
    kept = await kubevouch("status", "--list", "-o", "json")
    [row] = json.loads(kept.out)["runs"]
    assert (row["run"], row["state"]) == ("abcd", "its plan cannot be read")


@pytest.mark.parametrize("what", ["a link to itself", "a file", "somebody else's"])
async def test_a_folder_of_runs_that_cannot_be_looked_into_is_not_called_empty(
    kubevouch: Program, what: str
) -> None:
    """As after a `sudo kubevouch apply` that kept the user's HOME."""
    folder(kubevouch).parent.mkdir(parents=True)
    if what == "a link to itself":
        folder(kubevouch).symlink_to(folder(kubevouch))
    elif what == "a file":
        folder(kubevouch).touch()
    elif os.geteuid() == 0:
        pytest.skip("root may look into any folder")
    else:
        folder(kubevouch).mkdir(mode=0)
    ran = await kubevouch("status", "--list")
    assert (ran.code, ran.out) == (3, ""), ran
    assert f"{folder(kubevouch)}: cannot be looked into: " in ran.err
    assert f"NEXT     ls -ld {folder(kubevouch)}\n" in ran.err
