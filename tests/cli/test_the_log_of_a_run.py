"""The log of a run on this machine: a line of JSON a step, for its owner only, and no reason to stop a run."""

import errno
import io
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.runs import (
    find_run,
    keep_run,
    kept_here,
    kept_plans,
    runs_folder,
    times_of,
)
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.run_log import RunLog, begun_log, ending_logged
from kubevouch.errors import ExitCode
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.result import NodeResult, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import USUAL_TIMES, RolloutTimeouts
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.system_clock import SystemClock
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.clocks import WoundClock

PLAN = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="abcd")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    found = Terminal(None, io.StringIO(), io.StringIO(), {"HOME": str(tmp_path)})
    runs_folder(found.environment).mkdir(parents=True)
    return found


def lines(log: RunLog) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.path.read_text().splitlines()]


def begun(terminal: Terminal, holder: str = "abcd on alice@laptop (1)") -> RunLog:
    lease = RunLease(SystemClock(), holder, print)
    return begun_log(PLAN, "change 1 node", lease, terminal)


def test_each_step_and_each_wait_is_a_line_and_the_end_has_the_result(terminal: Terminal) -> None:
    log = begun(terminal)
    progress = Progress(terminal, WoundClock())
    progress.log = log.write
    progress.step("n", "restarted")
    for _ in range(3):
        progress.waiting("n", "not signed yet")
    progress.ended("n", "done in 3 s")
    with ending_logged(log) as ended:
        ended(RunResult("abcd", (NodeResult("n", NodeState.DONE),)), ExitCode.OK)
    found = lines(log)
    assert [each["what"] for each in found] == ["begins", "step", "waits", "ended", "ends"]
    assert found[0]["by"] == "abcd on alice@laptop (1)"
    assert found[-1]["exit"] == 0
    assert {each["run"] for each in found} == {"abcd"}
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert f"Log: {log.path}" in terminal.stderr.getvalue()  # type: ignore[attr-defined]


def test_a_second_process_goes_on_in_the_same_log(terminal: Terminal) -> None:
    begun(terminal).path.chmod(0o644)
    log = begun(terminal)
    assert [each["what"] for each in lines(log)] == ["begins", "begins"]
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("a bug"), StoppedBefore("n", "no")]
)
def test_an_error_that_ends_a_run_is_its_last_line(
    terminal: Terminal, error: BaseException
) -> None:
    log = begun(terminal)
    with pytest.raises(type(error)), ending_logged(log):
        raise error
    assert lines(log)[-1]["error"] == f"{type(error).__name__}: {error}"


def full(*_: object) -> None:
    """As a disk says it: at a write, or, where blocks are given out late (ext4, XFS), at a sync."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_once_and_stops_no_run(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog("abcd", terminal, WoundClock())
    monkeypatch.setattr(os, "write", full)
    log.write("step")
    log.write("step")
    said = terminal.stderr.getvalue()  # type: ignore[attr-defined]
    assert said == f"{log.path} cannot be written: No space left on device; continuing without it\n"


def take(place: Path, what: str, elsewhere: Path) -> None:
    """Somebody has put this there, a link to a file elsewhere or a pipe."""
    if what == "a link":
        place.symlink_to(elsewhere)
    else:
        os.mkfifo(place)


@pytest.mark.parametrize("what", ["a link", "a pipe"])
def test_a_log_whose_place_is_taken_stops_no_run(
    terminal: Terminal, tmp_path: Path, what: str
) -> None:
    log = RunLog("abcd", terminal, WoundClock())
    take(log.path, what, tmp_path / "elsewhere")
    ends(lambda: log.write("step"))
    assert not (tmp_path / "elsewhere").exists()
    assert "cannot be written" in terminal.stderr.getvalue()  # type: ignore[attr-defined]


def test_where_there_is_no_room_for_the_record_the_disk_is_shown_and_then_the_same_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs_folder(terminal.environment)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoppedBefore) as refused:
            keep_run(PLAN, terminal.environment)
    assert not list(folder.iterdir())
    assert "No space left on device; nothing was changed; free some disk space" in str(
        refused.value
    )
    assert refused.value.shown_by == ("df", "-h", str(folder))
    keep_run(PLAN, terminal.environment)
    (folder / "abcd.json.new").mkdir()
    keep_run(PLAN, terminal.environment)  # it is kept already: a run that goes on needs no room
    # A folder that is not there and cannot be made: shown is the one in which it would lie.
    elsewhere = {"XDG_STATE_HOME": str(folder / "abcd.json" / "state")}
    with pytest.raises(StoppedBefore) as refused:
        keep_run(PLAN, elsewhere)
    assert refused.value.shown_by == ("ls", "-ld", str(folder / "abcd.json"))


@pytest.mark.parametrize("what", ["a link", "a pipe"])
def test_what_stands_where_a_record_is_written_is_not_written_through(
    terminal: Terminal, tmp_path: Path, what: str
) -> None:
    """Nor waited for."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody's")
    for name in ("abcd.json.new", "abcd.options.new"):
        take(runs_folder(terminal.environment) / name, what, elsewhere)
    ends(lambda: keep_run(PLAN, terminal.environment))
    assert elsewhere.read_text() == "somebody's"
    assert find_run("abcd", terminal.environment, "undo abcd") == PLAN


def renamed(node: str) -> NodePlan:
    return msgspec.structs.replace(PLAN.nodes[0], node=node)


TWO = msgspec.structs.replace(PLAN, nodes=(*PLAN.nodes, renamed("w2")))
ELSEWHERE = msgspec.structs.replace(TWO.cluster, cluster_uid="another")


@pytest.mark.parametrize(
    "kept",
    [
        msgspec.structs.replace(TWO, run="ffff"),
        msgspec.structs.replace(TWO, nodes=(*TWO.nodes, renamed("w3"))),
        msgspec.structs.replace(TWO, cluster=ELSEWHERE),
    ],
    ids=["another run", "more nodes", "another cluster"],
)
def test_a_plan_that_an_undo_still_needs_keeps_its_place(terminal: Terminal, kept: Plan) -> None:
    """Somebody has edited the file since the run was begun."""
    path = runs_folder(terminal.environment) / "abcd.json"
    path.write_text(text_of(kept))
    with pytest.raises(
        StoppedBefore, match="for another run, cluster or set of nodes; nothing was"
    ):
        keep_run(TWO, terminal.environment)
    assert plan_in(path.read_bytes(), "") == kept
    path.write_text(text_of(PLAN))
    keep_run(TWO, terminal.environment)
    assert find_run("abcd", terminal.environment, "undo abcd") == TWO


def test_the_times_of_a_run_are_written_once_beside_its_plan(terminal: Terminal) -> None:
    environment = terminal.environment
    assert times_of("abcd", environment) == RolloutTimeouts()
    keep_run(PLAN, environment, RolloutTimeouts(300, 1.5))
    keep_run(PLAN, environment, RolloutTimeouts(90, 2))
    assert times_of("abcd", environment) == RolloutTimeouts(300, 1.5)
    assert times_of("../abcd", environment) == RolloutTimeouts()
    for text in ('{"gates":', '{"gates":3601.0}', '{"gates":-1}', '{"soak":-1}', "{}" * 9999):
        (runs_folder(environment) / "abcd.options").write_text(text)
        assert times_of("abcd", environment) == RolloutTimeouts()


# A named pipe in the folder of runs, which is nobody's record: what reads that folder passes it over, and what writes waits for no reader.


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "kubevouch" / "runs"
    folder.mkdir(parents=True)
    for ending in ("json", "options"):
        os.mkfifo(folder / f"abcd.{ending}")
    return {"XDG_STATE_HOME": str(tmp_path)}


READERS: dict[str, Callable[[dict[str, str]], object]] = {
    "the plans": lambda it: list(kept_plans(it)),
    "a plan": lambda it: kept_here(it)("abcd"),
    "its times": lambda it: times_of("abcd", it) != USUAL_TIMES,
}


def ends(work: Callable[[], object]) -> object:
    """What it returns. It fails if that takes for ever."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it waits for somebody at the other end of a pipe"
    return found[0]


@pytest.mark.parametrize("what", READERS)
def test_nobody_waits_for_what_may_be_written_there(what: str, environment: dict[str, str]) -> None:
    assert not ends(lambda: READERS[what](environment))
