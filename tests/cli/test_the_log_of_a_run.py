"""The log of a run on this machine: a line of JSON a step, for its owner only, and no reason to stop a run."""

import errno
import fcntl
import io
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from kubevouch.cli.common.armed_record import ArmedRecord, armed_by
from kubevouch.cli.common.run_history import (
    as_known_here,
    has_no_end,
    how_it_ended,
    is_being_written,
)
from kubevouch.rollout.decide.attempts import LoggedAttempt, what_it_came_to

from kubevouch.cli.common.run_log import (
    LoggedProgress,
    RunLog,
    begun_log,
    ending_logged,
    log_that_nothing_was_left,
)
from kubevouch.cli.common.runs import find_run, keep_run, runs_folder
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.errors import StoppedBefore, WayOn
from kubevouch.system_clock import SystemClock
from tests.rollout.acting import Progress
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


def test_what_a_run_came_to_is_read_off_its_log(terminal: Terminal) -> None:
    def told() -> str:
        return how_it_ended("abcd", terminal.environment)

    assert told() == ""
    log = begun(terminal)
    log.write("step", node="n", text="restarted")
    assert told() == "it is under way on this machine"
    nodes = [NodeResult(each, NodeOutcome.DONE) for each in "ab"]
    nodes.append(NodeResult("c", NodeOutcome.UNTOUCHED))
    with ending_logged(log) as ended:
        ended(RunResult("abcd", tuple(nodes), "", interrupted=True), ExitCode.INTERRUPTED)
    assert told() == "ended with 2 done, 1 untouched"
    with log.path.open("a") as file:
        file.write('{"what":"begi\n')  # the disk was full
    assert told() == "ended with 2 done, 1 untouched"
    refused(begun(terminal))
    assert told() == "ended with 2 done, 1 untouched", "that one had changed nothing"
    log = begun(terminal)
    log.write("step", node="n", text="restarted")
    refused(log)
    assert told() == "ended by OSError: no room"


def refused(log: RunLog) -> None:
    with pytest.raises(OSError, match="no room"), ending_logged(log):
        raise OSError("no room")


def test_of_undos_that_were_stopped_the_log_tells_what_they_came_to_together(
    terminal: Terminal,
) -> None:
    """What was refused after them has changed nothing, and hides nothing."""
    undo, of_c = "abcd on alice@laptop (undo 1)", "abcd on alice@laptop (undo c 1)"
    first = begun(terminal)
    with ending_logged(first) as ended:
        done = tuple(NodeResult(each, NodeOutcome.DONE) for each in "abc")
        ended(RunResult("abcd", done, ""), ExitCode.OK)
    outcomes = (NodeOutcome.UNDONE, NodeOutcome.NOT_PUT_BACK, NodeOutcome.NOT_PUT_BACK)
    for holder, names, came_to in (
        (undo, "abc", outcomes),
        (of_c, "c", (NodeOutcome.UNDONE,)),
    ):
        with ending_logged(begun(terminal, holder)) as ended:
            nodes = tuple(NodeResult(*each) for each in zip(names, came_to, strict=True))
            ended(RunResult("abcd", nodes, "", interrupted=True), ExitCode.INTERRUPTED)
    refused(begun(terminal, undo))
    refused(begun(terminal))
    said = how_it_ended("abcd", terminal.environment)
    assert said == "its undo ended with 2 undone, 1 not put back"
    begun(terminal, undo)
    said = how_it_ended("abcd", terminal.environment)
    assert said == "its undo is under way on this machine"


def test_of_an_undo_of_one_node_the_log_tells_how_many_are_still_done(terminal: Terminal) -> None:
    with ending_logged(begun(terminal)) as ended:
        done = tuple(NodeResult(each, NodeOutcome.DONE) for each in "abc")
        ended(
            RunResult("abcd", (*done, NodeResult("d", NodeOutcome.STOPPED)), ""), ExitCode.STOPPED
        )
    with ending_logged(begun(terminal, "abcd on alice@laptop (undo a 1)")) as ended:
        ended(RunResult("abcd", (NodeResult("a", NodeOutcome.UNDONE),), ""), ExitCode.OK)
    assert (
        how_it_ended("abcd", terminal.environment) == "its undo ended with 1 undone, 2 still done"
    )


_WRITES = """
import sys
from tests.cli.test_the_log_of_a_run import begun, runs_folder, Terminal
log = begun(Terminal(None, sys.stdout, sys.stderr, {"HOME": sys.argv[1]}))
log.write("step", node="n", text="restarted")
print("begun", flush=True)
sys.stdin.read()
"""


def test_a_run_is_under_way_as_long_as_its_process_lives_and_was_cut_off_once_that_is_killed(
    terminal: Terminal,
) -> None:
    words = [sys.executable, "-c", _WRITES, terminal.environment["HOME"]]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        assert how_it_ended("abcd", terminal.environment) == "it is under way on this machine"
        process.kill()
        process.wait()
    assert how_it_ended("abcd", terminal.environment) == "it was cut off"


def test_who_holds_the_lease_and_was_killed_here_is_known_by_that_at_once(
    terminal: Terminal,
) -> None:
    """Else it would count as under way until it has been silent for so long that another run may take the Lease."""
    environment = terminal.environment

    def known(identity: str) -> RunHolder:
        return as_known_here(RunHolder(identity, None, timedelta(seconds=7)), environment)

    words = [sys.executable, "-c", _WRITES, environment["HOME"]]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        log = runs_folder(environment) / "abcd.log"
        by = json.loads(log.read_text().splitlines()[0])["by"]
        assert known(by).is_alive
        process.kill()
        process.wait()
    assert not known(by).is_alive
    assert (known(by).is_gone, known(by).is_silent) == (True, False)
    assert "(not renewed for 7 s)" in str(known(by))
    for other in ("abcd on alice@laptop (elsewhere)", "../abcd on alice@laptop (1)", "bbbb"):
        assert known(other).is_alive, "nothing is known here of that one"
    gone_on = begun(
        terminal, "abcd on alice@laptop (2)"
    )  # the newest of its log is another one, which waits for the Lease yet
    gone_on.let_go()
    assert known(by).is_alive
    with log.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        newest = json.loads(log.read_text().splitlines()[-1])["by"]
        assert known(newest).is_alive, "who has locked it cannot be told"
    assert not known(newest).is_alive


def test_two_who_ask_at_once_whether_a_run_is_under_way_do_not_take_each_other_for_the_run(
    terminal: Terminal,
) -> None:
    path = runs_folder(terminal.environment) / "abcd.log"
    path.write_text("")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert is_being_written("abcd", terminal.environment) is None
    log = RunLog("abcd", terminal, WoundClock())
    log.hold()
    assert is_being_written("abcd", terminal.environment) is True
    log.let_go()
    assert is_being_written("abcd", terminal.environment) is False


def test_where_locks_tell_nothing_a_log_without_an_end_is_of_a_run_that_may_be_under_way() -> None:
    attempt = LoggedAttempt(False, (), datetime(2026, 1, 1, tzinfo=UTC), None, None, "", True)
    said = what_it_came_to([attempt], under_way=None)
    assert said == "it has begun, and its log has no end: it is under way, or was cut off"


def test_a_run_that_was_cut_off_and_found_done_later_has_an_end(terminal: Terminal) -> None:
    result = RunResult("abcd", (NodeResult("n", NodeOutcome.DONE),), "")
    assert not has_no_end("abcd", terminal.environment), "nobody has begun it here"
    begun(terminal)
    assert has_no_end("abcd", terminal.environment)
    log_that_nothing_was_left(result, terminal)
    assert not has_no_end("abcd", terminal.environment)
    assert how_it_ended("abcd", terminal.environment) == "ended with 1 done"
    begun(terminal, "abcd on alice@laptop (undo 1)")
    log_that_nothing_was_left(result, terminal)
    assert how_it_ended("abcd", terminal.environment).startswith("its undo is under way"), (
        "what is found done ends no undo"
    )


def test_each_step_and_what_a_node_waits_for_is_a_line_and_the_end_has_the_result(
    terminal: Terminal,
) -> None:
    log = begun(terminal)
    shown = Progress()
    progress = LoggedProgress(shown, log)
    progress.step("n", "restarted")
    for _ in range(3):
        progress.waiting("n", "not signed yet")
    progress.ended("n", "done in 3 s")
    ArmedRecord("uid", "abcd", terminal, log)(
        "n", ArmedNode("abcd", "n", datetime(2099, 1, 1, tzinfo=UTC))
    )
    with ending_logged(log) as ended:
        ended(RunResult("abcd", (NodeResult("n", NodeOutcome.DONE),), ""), ExitCode.OK)
    found = lines(log)
    assert [each["what"] for each in found] == ["begins", "step", "waits", "ended", "armed", "ends"]
    assert found[0]["by"] == "abcd on alice@laptop (1)"
    assert found[4]["fires"] == "2099-01-01T00:00:00Z"
    assert found[-1]["exit"] == 0
    assert {each["run"] for each in found} == {"abcd"}
    assert shown.lines.count("n: waits for not signed yet") == 3, "what is shown stays as it was"
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


def test_a_full_disk_is_said_once_and_stops_no_run(terminal: Terminal) -> None:
    log = RunLog("abcd", terminal, WoundClock())
    log.path = Path("/dev/full")
    log._append = _full  # type: ignore[method-assign, assignment]
    log.write("step")
    log.write("step")
    said = terminal.stderr.getvalue()  # type: ignore[attr-defined]
    assert (
        said == "/dev/full cannot be written: No space left on device; the run goes on without it\n"
    )


def _full(_: bytes) -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def test_a_link_in_the_logs_place_is_not_followed(terminal: Terminal, tmp_path: Path) -> None:
    log = RunLog("abcd", terminal, WoundClock())
    log.path.symlink_to(tmp_path / "elsewhere")
    log.write("step")
    assert not (tmp_path / "elsewhere").exists()


def test_a_record_that_cannot_be_kept_stops_the_run_before_it_begins(terminal: Terminal) -> None:
    folder = runs_folder(terminal.environment)
    (folder / "abcd.new").mkdir()
    with pytest.raises(
        StoppedBefore, match=r"the record of this run cannot be kept: .*; nothing was changed"
    ):
        keep_run(PLAN, terminal.environment)
    (folder / "abcd.new").rmdir()
    keep_run(PLAN, terminal.environment)
    (folder / "abcd.new").mkdir()
    keep_run(
        PLAN, terminal.environment
    )  # it stands there already: a run that goes on needs no room


def test_where_there_is_no_room_for_the_record_the_disk_is_shown_and_then_the_same_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs_folder(terminal.environment)

    def full(_: int) -> None:
        """As a disk says it whose blocks are given out late (ext4, XFS)."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoppedBefore) as refused:
            keep_run(PLAN, terminal.environment)
    assert not list(folder.iterdir())
    assert "No space left on device; nothing was changed; make room there" in str(refused.value)
    assert refused.value.way is WayOn.THIS_MACHINE
    assert refused.value.shown_by == f"df -h {folder}"
    keep_run(PLAN, terminal.environment)
    # A folder that is not there and cannot be made: shown is the one in which it would lie.
    elsewhere = {"XDG_STATE_HOME": str(folder / "abcd.json" / "state")}
    with pytest.raises(StoppedBefore) as refused:
        keep_run(PLAN, elsewhere)
    assert refused.value.shown_by == f"ls -ld {folder / 'abcd.json'}"


@pytest.mark.parametrize("what", ["a link", "a pipe"])
def test_what_stands_where_a_record_is_written_is_not_written_through(
    terminal: Terminal, tmp_path: Path, what: str
) -> None:
    """Nor waited for: somebody else may have put it there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody's")
    for name in ("abcd.new", "abcd.armed.new"):
        beside = runs_folder(terminal.environment) / name
        if what == "a link":
            beside.symlink_to(elsewhere)
        else:
            os.mkfifo(beside)
    record = ArmedRecord("uid", "abcd", terminal)
    armed = ArmedNode("abcd", "n", datetime(2099, 1, 1, tzinfo=UTC))
    for write in (lambda: keep_run(PLAN, terminal.environment), lambda: record("n", armed)):
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert elsewhere.read_text() == "somebody's"
    assert find_run("abcd", terminal.environment, "undo abcd") == PLAN
    assert armed_by("abcd", terminal.environment) == (armed,)


def test_a_plan_of_another_run_keeps_its_place(terminal: Terminal) -> None:
    """There is no undo without it."""
    other = msgspec.structs.replace(PLAN, run="ffff")
    path = runs_folder(terminal.environment) / "abcd.json"
    path.write_text(text_of(other))
    with pytest.raises(
        StoppedBefore, match="the plan of run ffff is kept in its place; nothing was"
    ):
        keep_run(PLAN, terminal.environment)
    assert plan_in(path.read_bytes(), "") == other


def test_a_plan_of_the_same_run_and_other_nodes_does_not_take_the_kept_ones_place(
    terminal: Terminal,
) -> None:
    """Somebody has edited it: an undo of the run would forget the nodes that it changed before."""
    kept = msgspec.structs.replace(PLAN, nodes=(*PLAN.nodes, renamed("w2")))
    keep_run(kept, terminal.environment)
    with pytest.raises(StoppedBefore, match=r"of other nodes, too \(w2\); nothing was changed"):
        keep_run(PLAN, terminal.environment)
    elsewhere = msgspec.structs.replace(kept.cluster, cluster_uid="another")
    with pytest.raises(StoppedBefore, match="of the cluster at"):
        keep_run(msgspec.structs.replace(kept, cluster=elsewhere), terminal.environment)
    more = msgspec.structs.replace(kept, nodes=(*kept.nodes, renamed("w3")))
    keep_run(more, terminal.environment)
    assert find_run("abcd", terminal.environment, "undo abcd").nodes == more.nodes


def renamed(node: str) -> NodePlan:
    return msgspec.structs.replace(PLAN.nodes[0], node=node)
