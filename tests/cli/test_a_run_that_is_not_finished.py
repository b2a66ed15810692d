"""A run that this machine has begun and not ended: the reading verbs say so, and read only."""

import asyncio
import io
import json
import os
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.armed_record import ArmedRecord, armed_by, forget_ended
from kubevouch.cli.common.rollout import print_result, stopping
from kubevouch.cli.common.run_log import RunLog, begun_log
from kubevouch.cli.common.runs import keep_run, kept_plan
from kubevouch.cli.common.terminal import Declined, Terminal
from kubevouch.cli.rollout.declined import say_what_switches_leave, telling_what_is_armed
from kubevouch.kube.io.lease import lease_spec
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.rollout.acting import SECOND, SELF_SIGNED, acting
from tests.rollout.acting import WORKER as ARMED_NODE
from tests.rollout.recorded import plan_of, planned, recorded
from tests.rollout.staged import as_the_run_left_it
from tests.support.stage import Stage, kind_of
from tests.support.unhurried import GENEROUS

WORKER = "k8s-worker-1.internal.example.com"
LATER = timedelta(minutes=4)


@pytest.fixture
def case() -> str:
    return "healthy"


UID = "the-cluster"
"""Of the stage's namespace kube-system."""


def folder(kubevouch: Program) -> Path:
    return kubevouch.home / ".local" / "state" / "kubevouch" / "runs"


def begun(kubevouch: Program, uid: str, fires: datetime, run: str = "abcd") -> ArmedRecord:
    """A run that has a node in hand, as `apply` leaves it when it is killed."""
    environment = {"HOME": str(kubevouch.home)}
    plan = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run=run)
    keep_run(plan, environment)
    record = ArmedRecord(uid, run, Terminal(None, None, None, environment))
    record(WORKER, ArmedNode(run, WORKER, fires))
    return record


def struck(kubevouch: Program, run: str, node: str, uid: str = UID) -> None:
    """The run is not armed there any more, as an undo has seen; no log says so."""
    environment = {"HOME": str(kubevouch.home)}
    ArmedRecord(uid, run, Terminal(None, None, None, environment))(node, None)


async def test_verify_and_doctor_cannot_tell_while_a_run_of_this_machine_is_armed(
    kubevouch: Program, stage: Stage
) -> None:
    fires = SystemClock().now() + LATER
    begun(kubevouch, UID, fires)
    before = {path.name: path.read_bytes() for path in folder(kubevouch).iterdir()}
    verify, doctor, document = await kubevouch.several(
        ("verify",), ("doctor",), ("doctor", "-o", "json", "--context", "story")
    )
    for ran in (verify, doctor):
        assert ran.code == 3, ran
        told = f"run abcd is not finished, as far as is known here: {WORKER} was armed when it was last heard of"
        assert told in " ".join(ran.out.split()), ran
        assert "unless somebody has ended that since" in " ".join(ran.out.split()), ran
        assert f"{fires:%H:%M:%S} UTC" in ran.out
        assert "\nOK" not in ran.out
        assert "NEXT     kubevouch status abcd\n" in ran.out, ran
        assert "`kubevouch undo abcd`" in " ".join(ran.out.split()), ran
    [found] = [each for each in json.loads(document.out)["findings"] if each["code"] == "KV905"]
    assert found["subjects"] == [WORKER]
    assert "`kubevouch undo abcd --context story`" in found["by_hand"]
    assert {path.name: path.read_bytes() for path in folder(kubevouch).iterdir()} == before


async def held_since(
    stage: Stage, seconds: float, identity: str = "bbbb on alice@laptop (1)"
) -> None:
    """Another machine's run has the Lease, renewed so long ago."""
    renewed = SystemClock().now() - timedelta(seconds=seconds)
    spec = lease_spec(identity, 7, renewed)
    body = {"metadata": {"name": "kubevouch-rollout", "namespace": "kube-system"}, "spec": spec}
    stage.server.store.create(kind_of("Lease"), body, "kube-system")


@pytest.mark.parametrize(
    ("seconds", "of", "told"),
    [
        (1, "1", "a run is under way: run bbbb of alice@laptop since"),
        (100, "1", "a run was cut off and has not ended: run bbbb of alice@laptop since"),
        (
            100,
            "undo 1",
            "an undo was cut off and has not ended: undo of run bbbb by alice@laptop since",
        ),
        (4000, "1", ""),
    ],
)
async def test_a_run_of_another_machine_is_told_by_its_lease(
    kubevouch: Program, stage: Stage, seconds: float, of: str, told: str
) -> None:
    await held_since(stage, seconds, f"bbbb on alice@laptop ({of})")
    for ran in await kubevouch.several(("verify",), ("doctor",)):
        assert ran.code == (3 if told else 0), ran
        assert (told in " ".join(ran.out.split())) if told else ("KV905" not in ran.out)
        assert not told or "kubevouch status bbbb" in ran.out


async def test_a_run_that_was_killed_here_is_over_once_its_switches_have_had_their_time(
    kubevouch: Program, stage: Stage
) -> None:
    """It still holds the Lease, which nobody has taken since; what it had in hand is known here, and put back by now."""
    now, identity = SystemClock().now(), "abcd on alice@laptop (1)"
    begun(kubevouch, UID, now - LATER)
    await held_since(stage, 100, identity)
    cut_off = "KV905 a run was cut off and has not ended: run abcd of alice@laptop"
    elsewhere = await kubevouch("doctor")  # without a log here: it may have had other nodes in hand
    assert cut_off in " ".join(elsewhere.out.split()), elsewhere
    terminal = Terminal(None, io.StringIO(), io.StringIO(), {"HOME": str(kubevouch.home)})
    lease = RunLease(SystemClock(), identity, print)
    plan = kept_plan("abcd", terminal.environment)
    assert plan is not None
    log = begun_log(plan, "change 1 node", lease, terminal)
    log.let_go()
    for ran in await kubevouch.several(("verify",), ("doctor",)):
        assert (ran.code, "KV905" in ran.out) == (0, False), ran
    begun(kubevouch, UID, now + LATER)
    assert cut_off in " ".join((await kubevouch("doctor")).out.split()), "its switch is set"
    struck(kubevouch, "abcd", WORKER)
    assert cut_off in " ".join((await kubevouch("doctor")).out.split()), "it had nothing in hand"
    record = ArmedRecord(UID, "abcd", terminal, log)
    record(WORKER, ArmedNode("abcd", WORKER, now + LATER))
    assert cut_off in " ".join((await kubevouch("doctor")).out.split()), "its switch is set"
    struck(kubevouch, "abcd", WORKER)  # a status has asked the node
    for ran in await kubevouch.several(("verify",), ("doctor",)):
        assert (ran.code, "KV905" in ran.out) == (0, False), ran


@pytest.mark.parametrize("case", ["just-mended"])
async def test_it_comes_before_what_only_waits(kubevouch: Program, stage: Stage) -> None:
    """A node that has just been restarted has no numbers yet: its switch does not wait for them."""
    begun(kubevouch, UID, SystemClock().now() + LATER)
    for ran in await kubevouch.several(("verify",), ("doctor",), ("doctor", "-o", "short")):
        assert ran.code == 3, ran
        assert "KV904" in ran.out, ran
        assert "NEXT     kubevouch status abcd\n" in ran.out, ran


@pytest.mark.parametrize("case", ["expired"])
async def test_beside_a_cause_the_run_comes_first(kubevouch: Program, stage: Stage) -> None:
    begun(kubevouch, UID, SystemClock().now() + LATER)
    ran = await kubevouch("doctor")
    assert ran.code == 1, ran
    first = ran.out.index("FIRST  kubevouch status abcd\n")
    assert first < ran.out.index("NEXT   kubevouch plan")


async def test_what_has_ended_or_is_of_another_cluster_is_not_told(
    kubevouch: Program, stage: Stage
) -> None:
    now, uid = SystemClock().now(), UID
    begun(kubevouch, uid, now + LATER)(WORKER, None)
    begun(kubevouch, "another", now + LATER, "bbbb")
    begun(kubevouch, uid, now - LATER, "cccc")  # its switch went off long ago: the wire tells
    (folder(kubevouch) / "dddd.armed").write_text("{")
    (folder(kubevouch) / "eeee.armed").write_text(
        json.dumps(
            {
                "cluster_uid": uid,
                "armed": [{"run": "eeee", "node": WORKER, "fires": "2099-01-01T00:00:00"}],
            }
        )
    )
    for ran in await kubevouch.several(("verify",), ("doctor",)):
        assert ran.code == 0, ran
        assert "KV905" not in ran.out


def test_a_newer_run_on_the_node_or_its_undo_ends_the_record(kubevouch: Program) -> None:
    fires = datetime(2099, 1, 1, tzinfo=UTC)
    begun(kubevouch, "uid", fires)
    begun(kubevouch, "uid", fires, "bbbb")
    assert [path.name for path in folder(kubevouch).glob("*.armed")] == ["bbbb.armed"]
    struck(kubevouch, "bbbb", "another", "uid")
    assert [path.name for path in folder(kubevouch).glob("*.armed")] == ["bbbb.armed"]
    struck(kubevouch, "bbbb", WORKER, "uid")
    assert not list(folder(kubevouch).glob("*.armed"))


def test_what_the_nodes_say_strikes_what_is_not_armed_there_any_more(kubevouch: Program) -> None:
    """It was undone from another machine, say. Of a node that was asked every run that is armed there has a row."""
    fires, environment = datetime(2099, 1, 1, tzinfo=UTC), {"HOME": str(kubevouch.home)}
    kept = ["abcd.armed"]
    for run, standing, settled, left in [
        ("abcd", Standing.ARMED, True, kept),
        ("abcd", Standing.UNKNOWN, True, kept),
        ("", Standing.UNKNOWN, True, kept),
        ("abcd", Standing.UNDONE, True, []),
        ("abcd", Standing.BARRED, True, []),
        ("abcd", Standing.DONE, True, []),
        ("abcd", Standing.NONE, True, []),
        ("", Standing.NONE, True, []),
        ("bbbb", Standing.DONE, True, []),
        ("bbbb", Standing.ARMED, True, []),
        # Who was killed just now may have something on its way there, but to no node at which its run is over.
        ("abcd", Standing.UNDONE, False, []),
        ("abcd", Standing.NONE, False, kept),
        ("", Standing.NONE, False, kept),
        ("bbbb", Standing.DONE, False, kept),
    ]:
        begun(kubevouch, "uid", fires)
        forget_ended([RunOnNode(WORKER, run, standing)], "another", environment, settled=True)
        elsewhere = RunOnNode("another", "abcd", Standing.UNDONE)
        forget_ended([elsewhere], "uid", environment, settled=True)
        assert [path.name for path in folder(kubevouch).glob("*.armed")] == kept
        rows = [RunOnNode(WORKER, run, standing), elsewhere]
        forget_ended(rows, "uid", environment, settled=settled)
        found = [path.name for path in folder(kubevouch).glob("*.armed")]
        assert found == left, (run, standing, settled)


async def test_of_a_switch_that_was_due_it_is_not_said_that_it_will_go_off_then(
    kubevouch: Program, stage: Stage
) -> None:
    fires = SystemClock().now() - timedelta(seconds=5)
    begun(kubevouch, UID, fires)
    ran = await kubevouch("doctor")
    told = " ".join(ran.out.split())
    assert f"its own switch, which was due at {fires:%H:%M:%S} UTC, puts it back now" in told, ran
    assert "at the latest" not in told


def test_beside_the_command_that_undoes_a_run_stands_the_plan_that_it_needs(
    kubevouch: Program,
) -> None:
    """A machine may be gone before the run is undone: from another one that takes a copy of the plan."""
    out, environment = io.StringIO(), {"HOME": str(kubevouch.home)}
    keep_run(plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)), environment)
    result = RunResult("abcd", (), "", undo="kubevouch undo abcd")
    print_result(Terminal(io.StringIO(), out, io.StringIO(), environment), result, so_far="")
    undo, plan = out.getvalue().splitlines()
    assert undo == "Undo     kubevouch undo abcd"
    kept = folder(kubevouch) / "abcd.json"
    assert plan == f"Plan     {kept}: there is no undo without it; keep a copy elsewhere, too"


def test_a_record_that_cannot_be_written_stops_no_run(kubevouch: Program) -> None:
    record = begun(kubevouch, "uid", datetime(2099, 1, 1, tzinfo=UTC))
    folder(kubevouch).rename(kubevouch.home / "elsewhere")
    folder(kubevouch).write_text("a file in the place of the folder")
    record("another", ArmedNode("abcd", "another", datetime(2099, 1, 1, tzinfo=UTC)))
    record("another", None)
    assert list(record.nodes) == [WORKER]


def test_two_processes_of_one_run_lose_nothing_of_each_others_record(kubevouch: Program) -> None:
    """Without the right to a Lease two undos of a run may be under way, or its undo beside an apply that has lost the Lease."""
    fires = datetime(2099, 1, 1, tzinfo=UTC)
    terminal = Terminal(None, None, None, {"HOME": str(kubevouch.home)})
    folder(kubevouch).mkdir(parents=True, exist_ok=True)
    first, second = (ArmedRecord("uid", "abcd", terminal) for _ in range(2))

    def known() -> list[str]:
        return [each.node for each in armed_by("abcd", terminal.environment)]

    first("a", ArmedNode("abcd", "a", fires))
    second("b", ArmedNode("abcd", "b", fires))
    assert known() == ["a", "b"]
    second("a", None)  # which it has found put back
    assert known() == ["b"]
    first("c", ArmedNode("abcd", "c", fires))
    assert known() == ["b", "c"], "who looked last is believed"
    second("b", None)
    assert known() == ["c"]
    second("c", None)  # which it has never had itself
    assert not list(folder(kubevouch).glob("*.armed"))


@pytest.mark.parametrize("earlier", [False, True])
def test_of_a_record_that_finds_no_space_the_runs_log_counts(
    kubevouch: Program, earlier: bool
) -> None:
    """A full disk often has room for a line, and none for a new file."""
    fires = datetime(2099, 1, 1, tzinfo=UTC)
    terminal = Terminal(None, None, None, {"HOME": str(kubevouch.home)})
    folder(kubevouch).mkdir(parents=True, exist_ok=True)
    log = RunLog("abcd", terminal, SystemClock())
    log.write("begins", cluster_uid="uid")
    record = ArmedRecord("uid", "abcd", terminal, log)
    if earlier:
        record("a", ArmedNode("abcd", "a", fires))
    blocked = folder(kubevouch) / "abcd.armed.new"
    blocked.mkdir()  # nothing can be written there
    record("b", ArmedNode("abcd", "b", fires, sure=False))
    expected = ["a", "b"] if earlier else ["b"]
    assert [each.node for each in armed_by("abcd", terminal.environment)] == expected
    if earlier:
        record("a", None)
    blocked.rmdir()
    record("b", None)
    assert armed_by("abcd", terminal.environment) == ()
    assert not list(folder(kubevouch).glob("*.armed"))


def test_a_run_has_several_nodes_in_hand(kubevouch: Program) -> None:
    fires = datetime(2099, 1, 1, tzinfo=UTC)
    record = begun(kubevouch, "uid", fires)
    record("another", ArmedNode("abcd", "another", fires))
    again = begun(kubevouch, "uid", fires)  # the same run goes on: it knows what it was cut off on
    assert list(again.nodes) == [WORKER, "another"]
    begun(kubevouch, "uid", fires, "bbbb")  # a newer run has begun on one of them
    environment = {"HOME": str(kubevouch.home)}
    assert list(ArmedRecord("uid", "abcd", Terminal(None, None, None, environment)).nodes) == [
        "another"
    ]
    struck(kubevouch, "abcd", "another", "uid")
    assert [path.name for path in folder(kubevouch).glob("*.armed")] == ["bbbb.armed"]


@pytest.mark.parametrize("ends", [Declined("standard input", "no"), KeyboardInterrupt()])
@pytest.mark.parametrize("state", ["restarted", ""])
async def test_whoever_does_not_go_on_is_told_that_the_switch_is_set(
    ends: BaseException, state: str
) -> None:
    """By a no, or Ctrl-C, at the question of a run that is armed."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(SECOND)
        if state:
            plan = await here.plan(ARMED_NODE)
            as_the_run_left_it(here, plan, state)
        checked = await check(plan, here.context)
    err = io.StringIO()
    terminal = Terminal(io.StringIO(), io.StringIO(), err, {})
    word = OperatorWord(domains=("cluster.example",))
    with (
        pytest.raises(type(ends)),
        telling_what_is_armed(terminal, checked, RolloutTimeouts(), ("resume", "./a b.json"), word),
    ):
        raise ends
    told = " ".join(err.getvalue().split())
    if not state:
        assert told == ""
        return
    assert f"{ARMED_NODE} is armed by run abcd: its dead-man's switch puts it back at " in told
    again = "`kubevouch resume './a b.json' --cluster-domain cluster.example`"
    assert f"to go on with the run before that: {again}" in told
    assert "to put all nodes of the run back: `kubevouch undo './a b.json'`" in told


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (
            100,
            rf"{ARMED_NODE}: its own switch puts it back in \d+ s, at [\d:]+ UTC, unless it is proven before; .* does not prolong that",
        ),
        (-3, rf"{ARMED_NODE}: its own switch was due at [\d:]+ UTC, and is at work"),
    ],
)
async def test_whoever_goes_on_is_told_how_long_the_switch_leaves(left: int, said: str) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(ARMED_NODE, SECOND)
        as_the_run_left_it(here, plan, left=left)
        checked = await check(plan, here.context)
    err = io.StringIO()
    say_what_switches_leave(
        Terminal(io.StringIO(), io.StringIO(), err, {}), checked, RolloutTimeouts()
    )
    assert re.fullmatch(said, " ".join(err.getvalue().split())), err.getvalue()


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([signal.SIGTERM], ["stopping at once", "w1 is armed"]),
        (
            [signal.SIGINT, signal.SIGTERM],
            ["stopping after the node in hand; Ctrl-C again stops at once", "stopping at once", "w1 is armed"],
        ),
        (
            [signal.SIGINT, signal.SIGINT],
            ["stopping after the node in hand; Ctrl-C again stops at once", "stopping at once", "w1 is armed"],
        ),
    ],
)  # fmt: skip
async def test_sigterm_stops_a_run_at_once_and_says_what_is_left_as_a_second_ctrl_c_does(
    signals: list[signal.Signals], said: list[str]
) -> None:
    err = io.StringIO()
    terminal = Terminal(io.StringIO(), io.StringIO(), err, {})
    begun = asyncio.Event()

    async def run() -> str:
        with stopping(terminal, lambda: "w1 is armed"):
            begun.set()
            await asyncio.Event().wait()
            return "never"
        return "it goes on to tell what it came to"

    task = asyncio.create_task(run())
    await begun.wait()
    for each in signals:
        before = err.getvalue()
        os.kill(os.getpid(), each)
        async with asyncio.timeout(GENEROUS):
            while err.getvalue() == before:
                await asyncio.sleep(0)
    assert await task == "it goes on to tell what it came to"
    assert err.getvalue().splitlines() == said
