"""A run that has not ended, by the cluster's Lease: the reading verbs say so from every machine, and read only."""

import asyncio
import io
import json
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.runs import keep_run
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.render import print_result
from kubevouch.cli.rollout.stopping import stopping
from kubevouch.evidence.run_holder import ARMED, ArmedNode, armed_text
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.kube.io.lease import lease_spec
from kubevouch.rollout.decide.armed import what_switches_leave
from kubevouch.rollout.decide.plan import ChangeKind, Plan
from kubevouch.rollout.decide.plan_text import plan_in
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.transaction import TransactionAnswer, TransactionState
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.cli.test_at_a_real_terminal import planned_for
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.local_shell import with_ssh
from tests.support.stage import Stage, kind_of
from tests.support.unhurried import GENEROUS

WORKER = "k8s-worker-1.internal.example.com"
UID = "the-cluster"
"""Of the stage's namespace kube-system."""


@pytest.fixture
def case() -> str:
    return "healthy"


def folder(kubevouch: Program) -> Path:
    return kubevouch.home / ".local" / "state" / "kubevouch" / "runs"


def keeps(kubevouch: Program, run: str = "bbbb", node: str = WORKER, **other: object) -> Plan:
    """This machine has the plan of that run, for one node."""
    change = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=node)
    plan = plan_of(change, run=run, **other)
    keep_run(plan, {"HOME": str(kubevouch.home)})
    return plan


def held_since(
    stage: Stage,
    seconds: float,
    identity: str = "bbbb on alice@laptop (1)",
    *armed: ArmedNode,
    now: datetime | None = None,
) -> None:
    """Another machine's run has the Lease, renewed so long ago, and these nodes may be armed."""
    renewed = (now or SystemClock().now()) - timedelta(seconds=seconds)
    metadata = {"name": "kubevouch-rollout", "namespace": "kube-system"}
    body = {
        "metadata": {**metadata, "annotations": {ARMED: armed_text(armed)}},
        "spec": lease_spec(identity, 7, renewed),
    }
    stage.server.store.create(kind_of("Lease"), body, "kube-system")


def armed_by_lease(stage: Stage, *nodes: str) -> None:
    """Run abcd was stopped at once, and has given its Lease back: its switches are set."""
    due = SystemClock().now() + timedelta(seconds=240)
    held_since(stage, 0, "", *(ArmedNode("abcd", each, due) for each in nodes or (WORKER,)))


async def test_verify_and_doctor_cannot_tell_while_a_node_may_be_armed(
    kubevouch: Program, stage: Stage
) -> None:
    armed_by_lease(stage, WORKER, "gone.internal.example.com")
    verify, doctor, document = await kubevouch.several(
        ("verify",), ("doctor",), ("doctor", "-o", "json", "--context", "story")
    )
    for ran in (verify, doctor):
        assert ran.code == 3, ran
        assert f"run abcd may be armed on {WORKER}: it undoes" in ran.told
        assert "\nOK" not in ran.out
        assert "NEXT     kubevouch status abcd\n" in ran.out, ran
    [found] = [each for each in json.loads(document.out)["findings"] if each["code"] == "KV905"]
    assert found["subjects"] == [WORKER], "what the cluster does not have is not told"
    assert "`kubevouch undo abcd`" in found["byHand"]
    assert not folder(kubevouch).exists()


@pytest.mark.parametrize(
    ("seconds", "of", "armed", "told"),
    [
        (1, "1", False, "a run is in progress: run bbbb of alice@laptop since"),
        (100, "1", True, "a run was interrupted and has not ended: run bbbb of alice@laptop since"),
        (100, "undo 1", True, "an undo was interrupted and has not ended: undo of run bbbb by"),
        (100, "1", False, ""),
    ],
)
async def test_a_run_of_another_machine_is_told_by_its_lease(
    kubevouch: Program, stage: Stage, seconds: float, of: str, armed: bool, told: str
) -> None:
    due = SystemClock().now() + timedelta(seconds=90)
    nodes = [ArmedNode("bbbb", WORKER, due)] if armed else []
    held_since(stage, seconds, f"bbbb on alice@laptop ({of})", *nodes)
    for ran in await kubevouch.several(("verify",), ("doctor",)):
        assert ran.code == (3 if told else 0), ran
        assert (told in ran.told) if told else ("KV905" not in ran.out)
        assert not told or "kubevouch status bbbb" in ran.out


@pytest.mark.parametrize("case", ["just-mended"])
async def test_it_comes_before_what_only_waits(kubevouch: Program, stage: Stage) -> None:
    """A node that has just been restarted has no numbers yet: its switch does not wait for them."""
    armed_by_lease(stage)
    for ran in await kubevouch.several(("verify",), ("doctor",), ("doctor", "-o", "short")):
        assert ran.code == 3, ran
        assert "KV904" in ran.out, ran
        assert "NEXT     kubevouch status abcd\n" in ran.out, ran


@pytest.mark.parametrize("case", ["expired"])
async def test_beside_a_cause_the_run_comes_first(kubevouch: Program, stage: Stage) -> None:
    armed_by_lease(stage)
    ran = await kubevouch("doctor", code=1)
    first = ran.out.index("FIRST  kubevouch status abcd\n")
    assert first < ran.out.index("NEXT   kubevouch plan")


def test_beside_the_undo_of_a_run_stands_the_plan_it_needs(kubevouch: Program) -> None:
    """A machine may be gone before the run is undone: from another one that takes a copy of the plan."""
    out, environment = io.StringIO(), {"HOME": str(kubevouch.home)}
    keep_run(plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)), environment)
    result = RunResult("abcd", (), undo="kubevouch undo abcd")
    print_result(Terminal(io.StringIO(), out, io.StringIO(), environment), result, so_far="")
    undo, plan = out.getvalue().splitlines()
    assert undo == "Undo     kubevouch undo abcd"
    kept = folder(kubevouch) / "abcd.json"
    assert plan == f"Plan     {kept}: undo needs this file; keep a copy elsewhere"


@pytest.mark.parametrize(
    ("left", "said"),
    [(100, "undoes an unverified change in 100 s, at "), (-3, "was due 3 s ago, at "), (-900, "was due 900 s ago, at ")],
)  # fmt: skip
def test_whoever_goes_on_is_told_how_long_the_switch_leaves(left: int, said: str) -> None:
    now = SystemClock().now()
    [line] = what_switches_leave([ArmedNode("abcd", WORKER, now + timedelta(seconds=left))], now)
    assert line.startswith(f"{WORKER}: the dead-man's switch {said}"), line


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([signal.SIGTERM], ["stopping at once", "w1 is armed"]),
        (
            [signal.SIGINT, signal.SIGTERM],
            ["stopping after the current nodes; Ctrl-C again stops at once", "stopping at once", "w1 is armed"],
        ),
        (
            [signal.SIGINT, signal.SIGINT],
            ["stopping after the current nodes; Ctrl-C again stops at once", "stopping at once", "w1 is armed"],
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


# An undo that is killed in the middle of a node: the Lease says until when that may be armed.


NODE = """
script=$(cat)
case $script in
  *action=undo*)
    touch {home}/sent
    while [ -e {home}/holds ]; do sleep 0.1; done
    cat {home}/undone ;;
  *) cat {home}/survey ;;
esac
"""


def a_node_that_was_committed(stage: Stage, kubevouch: Program) -> None:
    """The node of run bbbb, which was proven on it. An undo of it lasts as long as there is a file `holds`."""
    plan = plan_in(Path(planned_for(stage, kubevouch)).read_bytes(), "plan.json")
    plan = msgspec.structs.replace(plan, run="bbbb")
    keep_run(plan, {"HOME": str(kubevouch.home)})
    run = SurveyedRun(b"bbbb", b"committed", 0)
    survey = msgspec.structs.replace(recorded("expired-worker").survey, runs=(run,))
    undone = TransactionAnswer(TransactionState.UNDONE, b"", 4242)
    for name, answer in (("survey", survey), ("undone", undone)):
        line = b"kubevouch-answer: " + msgspec.json.encode(answer) + b"\n"
        (kubevouch.home / name).write_bytes(line)
    (kubevouch.home / "holds").touch()
    kubevouch.environment["PATH"] = with_ssh(kubevouch.home, NODE.format(home=kubevouch.home))


async def killed_undo(started: Program) -> None:
    """kill -9 as soon as the node has begun with it."""
    process = await started.started("undo", "bbbb", "--yes")
    async with asyncio.timeout(GENEROUS):
        while not (started.home / "sent").exists():
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.05)
    process.kill()
    await process.wait()


async def test_what_a_killed_undo_has_armed_is_known_to_everybody_until_its_switch_is_due(
    kubevouch: Program, started: Program, stage: Stage
) -> None:
    """Its switch is set anew. The same undo once more ends it."""
    a_node_that_was_committed(stage, kubevouch)
    before = SystemClock().now()
    try:
        await killed_undo(started)
    finally:
        (kubevouch.home / "holds").unlink()
    after = SystemClock().now()
    lease = kind_of("Lease"), "kubevouch-rollout", "kube-system"
    found = stage.server.store.get(*lease)
    entry = json.loads(found["metadata"]["annotations"][ARMED])[WORKER]
    due = datetime.fromisoformat(entry["due"])
    assert entry["run"] == "bbbb"
    assert before + timedelta(seconds=119) < due < after + timedelta(seconds=211)
    document = await kubevouch("doctor", "-o", "json")
    findings = json.loads(document.out)["findings"]
    assert [WORKER] in [each["subjects"] for each in findings if each["code"] == "KV905"], findings
    stage.server.store.delete(*lease)  # so that nobody waits for the killed one
    ran = await kubevouch("undo", "bbbb", "--yes", "--gate-timeout", "10s")
    assert "former files restored, kubelet restarted" in ran.err, ran
    assert "KV905" not in (await kubevouch("doctor")).out
