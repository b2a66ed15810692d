"""What `plan` and `status` say comes next is not what was just typed, where that would come to the same; and it keeps the flags."""

import io
import json
from pathlib import Path

import msgspec

from kubevouch.cli.common.invocation import Invocation
from kubevouch.cli.common.runs import keep_run
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.render import print_plan
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.next_step import commands_of
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding, LeftOut
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from tests.cli.program import Program, Ran
from tests.cli.test_a_run_that_is_not_finished import armed_by_lease, keeps
from tests.cli.test_at_a_real_terminal import planned_for
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

WORKER = "k8s-worker-1.internal.example.com"
SECOND = "k8s-worker-2.internal.example.com"


def lines(ran: Ran, *heads: str) -> list[str]:
    """The commands that stand behind these words."""
    words = (each.split(maxsplit=1) for each in ran.out.splitlines())
    return [each[1] for each in words if len(each) == 2 and each[0] in heads]


async def test_a_plan_without_its_nodes_leads_to_ssh(kubevouch: Program, stage: Stage) -> None:
    ran = await kubevouch("plan", "-o", "plan.json", "--ssh-user", "ops", "--node", WORKER, code=3)
    again = f"kubevouch plan -o plan.json --via ssh --ssh-user ops --node {WORKER}"
    assert lines(ran, "NEXT", "THEN") == [f"ssh -l ops -- {WORKER} true", again]


async def test_a_status_without_its_nodes_leads_to_ssh(kubevouch: Program, stage: Stage) -> None:
    """Without a run, then with one whose plan is here and says how its nodes are reached."""
    asked = ("status", "--node", WORKER, "--node", SECOND)
    ran = await kubevouch(*asked, "--ssh-user", "ops", code=3)
    assert lines(ran, "NEXT") == [f"ssh -l ops -- {WORKER} true"]
    again = f"kubevouch status --node {WORKER} --node {SECOND} --ssh-user ops"
    assert lines(ran, "THEN") == [again]
    [node] = keeps(kubevouch, ssh_user="root").nodes
    away = kubevouch.away()
    flags = ("--node", WORKER, "--kubeconfig", str(away))
    ran = await kubevouch("status", "bbbb", *flags)
    assert lines(ran, "NEXT") == [f"ssh -l root -- {node.host} true"], ran
    again = f"kubevouch status bbbb --node {WORKER} --kubeconfig {away}"
    assert lines(ran, "THEN") == [again]


async def test_a_silent_armed_node_leads_to_its_run(kubevouch: Program, stage: Stage) -> None:
    """Its plan says how it is reached, which the operator's own ssh may not know."""
    armed_by_lease(stage, SECOND)
    flags = ("status", "--node", WORKER, "--node", SECOND, "--ssh-user", "ops")
    ran = await kubevouch(*flags, code=1)
    assert "the Lease lists the node as armed until" in ran.told, ran
    assert lines(ran, "NEXT")[0].startswith("sleep "), ran
    keeps(kubevouch, "abcd", SECOND)
    ran, document = await kubevouch.several(flags, (*flags, "-o", "json"))
    assert lines(ran, "NEXT") == ["kubevouch resume abcd"], ran
    states = {each["node"]: each["state"] for each in json.loads(document.out)["nodes"]}
    assert states == {WORKER: "unknown", SECOND: "armed"}


async def test_without_a_terminal_yes_comes_next(kubevouch: Program, stage: Stage) -> None:
    """Before a request is sent or a node is asked."""
    path = planned_for(stage, kubevouch)
    undo, apply = ("undo", path), ("apply", path)
    for words in (undo, (*undo, "--node", WORKER), apply):
        ran = await kubevouch(*words)
        assert "expected --yes" in ran.err, ran
        again = " ".join(("kubevouch", *words, "--yes"))
        assert (ran.code, ran.err.splitlines()[-1]) == (2, f"NEXT     {again}"), ran
        assert stage.server.requests == []
    ran = await kubevouch(*undo, "--dry-run", code=0)
    assert ran.err.splitlines()[-1] == "Dry run. Nothing was changed.", ran
    assert {each.method for each in stage.server.requests} == {"GET"}


async def test_a_plan_of_one_armed_node_leads_to_its_run(kubevouch: Program, stage: Stage) -> None:
    """Once its switch has gone off that run is refused: with the same plan it led in a circle."""
    path = Path(planned_for(stage, kubevouch))
    plan = plan_in(path.read_bytes(), "plan")
    keep_run(msgspec.structs.replace(plan, run="bbbb"), {"HOME": str(kubevouch.home)})
    row = LeftOut(WORKER, "run bbbb has changed it", armed_run="bbbb")
    path.write_text(text_of(msgspec.structs.replace(plan, nodes=(), left_out=(row,))))
    ran = await kubevouch("apply", str(path), "--yes")
    assert ran.code in (3, 4), ran
    first, then = ran.err.splitlines()[-2:]
    assert first.startswith("NEXT     kubevouch resume bbbb"), ran
    assert then.startswith("THEN     kubevouch plan -o "), ran


async def test_a_status_by_file_leads_to_that_file(kubevouch: Program, stage: Stage) -> None:
    """Its run was begun on another machine; by its name alone nobody here knows how its nodes are reached."""
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER)
    file = kubevouch.home / "bobs plan.json"
    file.write_text(text_of(plan_of(node, run="bbbb")))
    away = kubevouch.away()
    ran = await kubevouch("status", str(file), "--kubeconfig", str(away), code=3)
    again = f"kubevouch status '{file}' --kubeconfig {away}"
    assert lines(ran, "THEN") == [again]


async def test_a_status_by_pod_keeps_the_image(kubevouch: Program, stage: Stage) -> None:
    """Without it the very flag that NEXT repeats is refused."""
    image = "registry.example.com/kubevouch@sha256:" + "ab" * 32
    away = kubevouch.away()
    server = stage.server.url.replace("127.0.0.1", "127.9.9.9")
    cluster = ClusterBinding("c", server, "uid", "sha", "v1.36.3")
    keeps(kubevouch, cluster=cluster)
    asked = ("status", "--via", "pod", "--image", image, "--pod-namespace", "tools")
    ran = await kubevouch(*asked, "--node", WORKER, "--kubeconfig", str(away))
    assert ran.err.splitlines()[-1] == (
        f"NEXT     kubevouch status bbbb --node {WORKER} --kubeconfig {away} "
        f"--via pod --image {image} --pod-namespace tools"
    ), ran


# NEXT names a new plan of what the plan before it was asked for, and its run as it was asked for.


def test_what_comes_after_a_plan_has_what_was_said_for_its_run_and_its_order_the_soak() -> None:
    out, path = io.StringIO(), Path("a plan.json")
    terminal = Terminal(None, out, None, {})
    times = (("--gate-timeout", "300s"), ("--soak", "5s"))
    terminal.invocation = Invocation(given=times, verb="apply")
    nodes = [planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=each) for each in "ab"]
    plan = plan_of(*nodes)
    commands = commands_of(plan, str(path), OperatorWord(domains=("c.test",)), lambda _: False)
    print_plan(terminal, plan, path, commands, (), soak=5.0)
    told = out.getvalue()
    assert "5 s later" in " ".join(told.split()), told
    applies = "kubevouch apply 'a plan.json' --cluster-domain c.test"
    assert told.endswith(f"NEXT     {applies} --gate-timeout 300s --soak 5s\n"), told
