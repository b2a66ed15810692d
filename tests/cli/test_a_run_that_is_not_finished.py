"""A run that this machine has begun and not ended: the reading verbs say so, and read only."""

import asyncio
import io
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.armed_record import ArmedRecord, forget_armed
from kubevouch.cli.common.rollout import stopping
from kubevouch.cli.common.runs import keep_run
from kubevouch.cli.common.terminal import Terminal
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage
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
    """A run that has a node in hand, as `fix --apply` leaves it when it is killed."""
    environment = {"HOME": str(kubevouch.home)}
    plan = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run=run)
    keep_run(plan, environment)
    record = ArmedRecord(uid, run, Terminal(None, None, None, environment))
    record(ArmedNode(run, WORKER, fires))
    return record


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
        assert f"run abcd is not finished: {WORKER} is armed" in " ".join(ran.out.split()), ran
        assert f"{fires:%H:%M:%S} UTC" in ran.out
        assert "\nOK" not in ran.out
        plan = folder(kubevouch) / "abcd.json"
        assert f"NEXT     kubevouch fix --apply {plan}" in ran.out, ran
        assert "`kubevouch undo abcd`" in " ".join(ran.out.split()), ran
    [found] = [each for each in json.loads(document.out)["findings"] if each["code"] == "KV905"]
    assert found["subjects"] == [WORKER]
    assert "`kubevouch undo abcd --context story`" in found["by_hand"]
    assert {path.name: path.read_bytes() for path in folder(kubevouch).iterdir()} == before


@pytest.mark.parametrize("case", ["expired"])
async def test_beside_a_cause_the_run_comes_first(kubevouch: Program, stage: Stage) -> None:
    begun(kubevouch, UID, SystemClock().now() + LATER)
    ran = await kubevouch("doctor")
    assert ran.code == 1, ran
    first = ran.out.index(f"FIRST  kubevouch fix --apply {folder(kubevouch) / 'abcd.json'}")
    assert first < ran.out.index("NEXT   kubevouch fix --plan")


async def test_what_has_ended_or_is_of_another_cluster_is_not_told(
    kubevouch: Program, stage: Stage
) -> None:
    now, uid = SystemClock().now(), UID
    begun(kubevouch, uid, now + LATER)(None)
    begun(kubevouch, "another", now + LATER, "bbbb")
    begun(kubevouch, uid, now - LATER, "cccc")  # its switch went off long ago: the wire tells
    (folder(kubevouch) / "dddd.armed").write_text("{")
    (folder(kubevouch) / "eeee.armed").write_text(
        json.dumps(
            {
                "cluster_uid": uid,
                "armed": {"run": "eeee", "node": WORKER, "fires": "2099-01-01T00:00:00"},
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
    forget_armed("bbbb", {"another"}, {"HOME": str(kubevouch.home)})
    assert [path.name for path in folder(kubevouch).glob("*.armed")] == ["bbbb.armed"]
    forget_armed("bbbb", {WORKER}, {"HOME": str(kubevouch.home)})
    assert not list(folder(kubevouch).glob("*.armed"))


def test_a_record_that_cannot_be_written_stops_no_run(kubevouch: Program) -> None:
    record = begun(kubevouch, "uid", datetime(2099, 1, 1, tzinfo=UTC))
    folder(kubevouch).rename(kubevouch.home / "elsewhere")
    folder(kubevouch).write_text("a file in the place of the folder")
    record(ArmedNode("abcd", "another", datetime(2099, 1, 1, tzinfo=UTC)))
    record(None)
    assert record.node is None


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
        try:
            with stopping(terminal, lambda: "w1 is armed"):
                begun.set()
                await asyncio.Event().wait()
        except KeyboardInterrupt:
            return "interrupted"
        return "ended"

    task = asyncio.create_task(run())
    await begun.wait()
    for each in signals:
        before = err.getvalue()
        os.kill(os.getpid(), each)
        async with asyncio.timeout(GENEROUS):
            while err.getvalue() == before:
                await asyncio.sleep(0)
    assert await task == "interrupted"
    assert err.getvalue().splitlines() == said
