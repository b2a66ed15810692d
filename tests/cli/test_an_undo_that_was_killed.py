"""An undo that is killed in the middle of a node: the Lease says until when that may be armed."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.runs import keep_run
from kubevouch.evidence.run_holder import ARMED
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.rollout.decide.plan_text import plan_in
from kubevouch.rollout.decide.transaction import TransactionAnswer, TransactionState
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.cli.test_a_run_that_is_not_finished import WORKER
from tests.cli.test_at_a_real_terminal import planned_for
from tests.rollout.recorded import recorded
from tests.support.local_shell import with_ssh
from tests.support.stage import Stage, kind_of
from tests.support.unhurried import GENEROUS


@pytest.fixture
def case() -> str:
    return "healthy"


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
