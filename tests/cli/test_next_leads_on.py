"""What `plan` and `status` say comes next is not what was just typed, where that would come to the same; and it keeps the flags."""

import contextlib
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.armed_record import ArmedRecord
from kubevouch.cli.common.rollout import run_lease
from kubevouch.cli.common.run_log import begun_log, ending_logged, log_armed
from kubevouch.cli.common.runs import keep_run, kept_plan
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.again import commands_of
from kubevouch.cli.rollout.known_here import (
    stopped_here,
    stopped_undo_here,
    through_here,
    times_here,
)
from kubevouch.errors import ExitCode
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.next_for_status import next_for_status
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding, LeftOut
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program, Ran
from tests.cli.test_a_run_that_is_not_finished import LATER, UID, folder, struck
from tests.cli.test_at_a_real_terminal import planned_for
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

WORKER = "k8s-worker-1.internal.example.com"
SECOND = "k8s-worker-2.internal.example.com"


@pytest.fixture
def case() -> str:
    return "expired"


def lines(ran: Ran, *heads: str) -> list[str]:
    """The commands that stand behind these words."""
    words = (each.split(maxsplit=1) for each in ran.out.splitlines())
    return [each[1] for each in words if len(each) == 2 and each[0] in heads]


async def test_a_plan_made_locally_on_no_node_of_the_cluster_leads_to_one_by_ssh(
    kubevouch: Program, stage: Stage
) -> None:
    """`--via local` again would find the same machine."""
    ran = await kubevouch("plan", "-o", "plan.json", "--via", "local", "--nodes", WORKER)
    assert ran.code == 3, ran
    assert lines(ran, "NEXT", "THEN") == [f"kubevouch plan -o plan.json --via ssh --nodes {WORKER}"]


async def test_a_plan_whose_nodes_cannot_be_reached_leads_to_the_operators_own_ssh(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch("plan", "-o", "plan.json", "--ssh-user", "ops", "--nodes", WORKER)
    assert ran.code == 3, ran
    again = f"kubevouch plan -o plan.json --via ssh --ssh-user ops --nodes {WORKER}"
    assert lines(ran, "NEXT", "THEN") == [f"ssh -l ops -- {WORKER} true", again]


async def test_a_status_of_nodes_that_cannot_be_asked_leads_to_ssh_and_then_to_itself(
    kubevouch: Program, stage: Stage
) -> None:
    """Without a run, then with one whose plan is here and says how its nodes are reached."""
    asked = ("status", "--nodes", f"{WORKER},{SECOND}")
    ran = await kubevouch(*asked, "--ssh-user", "ops")
    assert ran.code == 3, ran
    assert lines(ran, "NEXT") == [f"ssh -l ops -- {WORKER} true"]
    told = " ".join(ran.out.split())
    again = f"kubevouch status --nodes {WORKER},{SECOND} --ssh-user ops"
    assert f"once {WORKER} can be asked: `{again}`" in told, ran
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER)
    plan = msgspec.structs.replace(plan_of(node, run="bbbb"), ssh_user="root")
    keep_run(plan, {"HOME": str(kubevouch.home)})
    away = kubevouch.away()
    flags = ("--nodes", WORKER, "--kubeconfig", str(away))
    ran = await kubevouch("status", "bbbb", *flags)
    assert lines(ran, "NEXT") == [f"ssh -l root -- {node.host} true"], ran
    again = f"kubevouch status bbbb --nodes {WORKER} --kubeconfig {away}"
    assert f"`{again}`" in " ".join(ran.out.split()), ran


async def test_a_node_that_does_not_answer_and_is_known_here_to_be_armed_is_told_and_comes_first(
    kubevouch: Program, stage: Stage
) -> None:
    """Another cluster's record of that name, and a switch that has gone off since, are nothing to tell."""
    now = SystemClock().now()
    flags = ("status", "--nodes", f"{WORKER},{SECOND}", "--ssh-user", "ops")
    environment = {"HOME": str(kubevouch.home)}
    folder(kubevouch).mkdir(parents=True)
    for run, uid, fires in (
        ("aaaa", "another", now + LATER),
        ("cccc", UID, now - LATER),
        ("bbbb", UID, now + LATER),
    ):
        record = ArmedRecord(uid, run, Terminal(None, None, None, environment))
        record(SECOND, ArmedNode(run, SECOND, fires))
        if run != "bbbb":
            ran = await kubevouch(*flags)
            assert "armed by run" not in " ".join(ran.out.split()), ran
            assert lines(ran, "NEXT") == [f"ssh -l ops -- {WORKER} true"]
    ran, document = await kubevouch.several(flags, (*flags, "-o", "json"))
    assert ran.code == 3, ran
    known = f"armed by run bbbb until {now + LATER:%H:%M:%S} UTC, as was known here"
    assert known in " ".join(ran.out.split()), ran
    assert lines(ran, "NEXT") == [f"ssh -l ops -- {SECOND} true"]
    notes = {each["node"]: each["notes"] for each in json.loads(document.out)["nodes"]}
    assert (known in notes[SECOND], known in notes[WORKER]) == (True, False)


async def test_a_status_without_a_run_leads_to_the_run_whose_plan_says_how_its_nodes_are_reached(
    kubevouch: Program, stage: Stage
) -> None:
    """A run that was killed, whose plan was made with --ssh-config: by the operator's own ssh nobody can be asked, as often as he tries."""
    config = kubevouch.home / "ssh config"
    config.write_text("")
    environment = {"HOME": str(kubevouch.home)}
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER)
    for run, uid in (("aaaa", UID), ("bbbb", "another")):
        cluster = ClusterBinding("c", stage.server.url, uid, "sha", "v1.36.3")
        plan = msgspec.structs.replace(
            plan_of(node, run=run, cluster=cluster), ssh_config=str(config)
        )
        keep_run(plan, environment)
    ran = await kubevouch(
        "status",
    )
    assert ran.code == 3, ran
    assert lines(ran, "NEXT") == ["kubevouch status aaaa"], ran
    assert "the plan of run aaaa, which is kept on this machine, does" in " ".join(ran.out.split())
    followed = await kubevouch("status", "aaaa")
    assert lines(followed, "NEXT") == [f"ssh -F '{config}' -- {node.host} true"], followed
    by_word = await kubevouch("status", "--ssh-user", "ops", "--nodes", WORKER)
    assert lines(by_word, "NEXT") == [f"ssh -l ops -- {WORKER} true"], by_word


async def test_the_runs_of_this_machine_lead_to_the_one_that_is_worth_a_look(
    kubevouch: Program,
) -> None:
    """Without its name the status would not know how its nodes are reached."""
    assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status"]
    folder(kubevouch).mkdir(parents=True)
    (folder(kubevouch) / "eeee.json").write_text("{")
    assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status"]
    environment = {"HOME": str(kubevouch.home)}
    terminal = Terminal(None, None, None, environment)
    change = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
    for index, run in enumerate(("aaaa", "bbbb", "cccc")):
        keep_run(plan_of(change, run=run), environment)
        os.utime(folder(kubevouch) / f"{run}.json", (1000 + index, 1000 + index))
    assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status cccc"]
    for undoes in (False, True):  # each is killed: its log has no end
        log = begun_log(
            plan_of(change, run="bbbb"), "it", run_lease("bbbb", terminal, undoes=undoes), terminal
        )
        assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status bbbb"]
        log.write("ends", exit=1, error="it")
    assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status cccc"]
    ArmedRecord(UID, "aaaa", terminal)(
        WORKER, ArmedNode("aaaa", WORKER, SystemClock().now() + LATER)
    )
    assert lines(await kubevouch("status", "--list"), "NEXT") == ["kubevouch status aaaa"]


async def test_a_run_that_was_cut_off_is_worth_no_look_once_a_newer_one_has_begun_on_its_cluster(
    kubevouch: Program,
) -> None:
    """That would lead to doctor for ever; whoever began the newer run has decided anew."""
    terminal = Terminal(None, io.StringIO(), io.StringIO(), {"HOME": str(kubevouch.home)})
    change = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
    plans = {run: plan_of(change, run=run) for run in ("aaaa", "bbbb", "cccc")}
    elsewhere = msgspec.structs.replace(plans["cccc"].cluster, cluster_uid="elsewhere")
    plans["cccc"] = msgspec.structs.replace(plans["cccc"], cluster=elsewhere)
    for index, (run, plan) in enumerate(plans.items()):
        keep_run(plan, terminal.environment)
        os.utime(folder(kubevouch) / f"{run}.json", (1000 + index, 1000 + index))
    begun_log(plans["aaaa"], "it", run_lease("aaaa", terminal), terminal)  # and is killed
    done = RunResult("", (NodeResult(WORKER, NodeOutcome.DONE),), "")
    for run, leads_to in (("cccc", "aaaa"), ("bbbb", "cccc")):
        log = begun_log(plans[run], "it", run_lease(run, terminal), terminal)
        log.write("ends", exit=0, result=msgspec.to_builtins(done))
        ran = await kubevouch("status", "--list")
        assert lines(ran, "NEXT") == [f"kubevouch status {leads_to}"], ran
    ArmedRecord(UID, "aaaa", terminal)(WORKER, ArmedNode("aaaa", WORKER, SystemClock().now()))
    ran = await kubevouch("status", "--list")
    assert lines(ran, "NEXT") == ["kubevouch status aaaa"], "it has a node in hand"


async def test_of_a_run_that_was_cut_off_and_has_no_node_in_hand_the_list_tells_when_its_switches_were_due(
    kubevouch: Program,
) -> None:
    terminal = Terminal(None, io.StringIO(), io.StringIO(), {"HOME": str(kubevouch.home)})
    plan = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="bbbb")
    keep_run(plan, terminal.environment)
    log = begun_log(plan, "it", run_lease("bbbb", terminal), terminal)
    due = datetime(2026, 1, 1, 12, tzinfo=UTC)
    record = ArmedRecord(UID, "bbbb", terminal, log)
    for node, minutes in (("proven", 9), (WORKER, 4), (SECOND, 3)):
        record(node, ArmedNode("bbbb", node, due + timedelta(minutes=minutes)))
    record("proven", None)

    async def state() -> str:
        [row] = json.loads((await kubevouch("status", "--list", "-o", "json")).out)["runs"]
        return str(row["state"])

    log.let_go()
    assert (await state()).endswith("; it was cut off"), "the nodes say when theirs were due"
    for node in (WORKER, SECOND):
        struck(kubevouch, "bbbb", node)  # a status has asked them
    over = "the switches of what it had in hand were due by 2026-01-01 12:04:00 UTC"
    assert await state() == f"no node is in hand; it was cut off; {over}"
    log_armed(log, WORKER, ArmedNode("bbbb", WORKER, datetime(2099, 1, 1, tzinfo=UTC)))
    assert await state() == "no node is in hand; it was cut off", "somebody has put it back before"
    log.write("ends", exit=1, error="it")
    assert await state() == "no node is in hand; ended by it"


def test_the_times_of_a_run_are_those_with_which_it_was_last_carried_out(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    terminal = Terminal(None, io.StringIO(), None, environment)
    plan = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="bbbb")
    assert times_here(["bbbb"], environment) == {}
    begun_log(plan, "it", run_lease("bbbb", terminal), terminal)
    assert times_here(["bbbb"], environment) == {}, "an earlier version has not written them down"
    for times in (RolloutTimeouts(300, 1), RolloutTimeouts(90, 2.5)):
        begun_log(plan, "it", run_lease("bbbb", terminal), terminal, times)
    begun_log(plan, "it", run_lease("bbbb", terminal, undoes=True), terminal)
    assert times_here(["aaaa", "bbbb"], environment) == {"bbbb": RolloutTimeouts(90, 2.5)}


def test_a_plan_that_leads_to_a_run_which_is_armed_has_that_runs_times(tmp_path: Path) -> None:
    """As a status has them: else who follows the plan goes on with other times than the run had."""
    environment = {"HOME": str(tmp_path)}
    terminal = Terminal(None, io.StringIO(), None, environment)
    plan = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="bbbb")
    keep_run(plan, environment)
    commands = commands_of(
        msgspec.structs.replace(plan, run="abcd"), Path("plan.json"), OperatorWord(), environment
    )
    assert commands.kept("bbbb") == "kubevouch resume bbbb"
    begun_log(plan, "it", run_lease("bbbb", terminal), terminal, RolloutTimeouts(70, 9))
    assert commands.kept("bbbb") == "kubevouch resume bbbb --gate-timeout 70s --soak 9s"
    assert commands.kept("aaaa") == "", "its plan is not kept here"


async def test_a_plan_file_that_is_lost_leads_to_the_runs_that_are_kept_here(
    kubevouch: Program,
) -> None:
    lost = ("apply", "lost.json")
    nowhere = await kubevouch(*lost)
    assert (nowhere.code, "NEXT" in nowhere.err) == (2, False), nowhere
    keep_run(
        plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)),
        {"HOME": str(kubevouch.home)},
    )
    ran = await kubevouch(*lost)
    assert "lost.json: cannot be read: No such file or directory" in ran.err
    assert (ran.code, ran.err.splitlines()[-1]) == (2, "NEXT     kubevouch status --list"), ran


async def test_what_nobody_can_be_asked_about_is_refused_at_once_and_leads_to_itself_with_yes(
    kubevouch: Program, stage: Stage
) -> None:
    """Before a request is sent or a node is asked."""
    path = planned_for(stage, kubevouch)
    undo, apply = ("undo", path), ("apply", path)
    for words in (undo, (*undo, "--nodes", WORKER), apply):
        ran = await kubevouch(*words)
        assert "--yes was expected" in ran.err, ran
        again = " ".join(("kubevouch", *words, "--yes"))
        assert (ran.code, ran.err.splitlines()[-1]) == (2, f"NEXT     {again}"), ran
        assert stage.server.requests == []


@pytest.mark.parametrize(
    ("left", "leads_to"),
    [(LATER, "kubevouch resume bbbb"), (-LATER, "kubevouch plan -o ")],
)
async def test_a_plan_whose_only_node_was_armed_by_a_run_leads_to_that_run_until_its_switch_has_gone_off(
    kubevouch: Program, stage: Stage, left: timedelta, leads_to: str
) -> None:
    """Gone on with after that, that run is refused: the plan was followed literally, and led in a circle."""
    path = Path(planned_for(stage, kubevouch))
    plan = plan_in(path.read_bytes(), "plan")
    keep_run(msgspec.structs.replace(plan, run="bbbb"), {"HOME": str(kubevouch.home)})
    until = SystemClock().now() + left
    row = LeftOut(WORKER, "run bbbb has changed it", armed_run="bbbb", armed_until=until)
    path.write_text(text_of(msgspec.structs.replace(plan, nodes=(), left_out=(row,))))
    ran = await kubevouch("apply", str(path), "--yes")
    assert ran.code in (3, 4), ran
    assert ran.err.splitlines()[-1].startswith(f"NEXT     {leads_to}"), ran


async def test_a_status_of_a_plan_file_that_is_not_kept_here_is_asked_for_by_that_file_again(
    kubevouch: Program, stage: Stage
) -> None:
    """Its run was begun on another machine; by its name alone nobody here knows how its nodes are reached."""
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER)
    file = kubevouch.home / "bobs plan.json"
    file.write_text(text_of(plan_of(node, run="bbbb")))
    away = kubevouch.away()
    ran = await kubevouch("status", str(file), "--kubeconfig", str(away))
    assert ran.code == 3, ran
    again = f"kubevouch status '{file}' --kubeconfig {away}"
    assert f"once {WORKER} can be asked: `{again}`" in " ".join(ran.out.split()), ran


async def test_a_status_by_pod_keeps_the_image_in_what_comes_next(
    kubevouch: Program, stage: Stage
) -> None:
    """Without it the very flag that NEXT repeats is refused."""
    image = "registry.example.com/kubevouch@sha256:" + "ab" * 32
    away = kubevouch.away()
    server = stage.server.url.replace("127.0.0.1", "127.9.9.9")
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER)
    plan = plan_of(node, run="bbbb")
    cluster = msgspec.structs.replace(plan.cluster, server=server)
    keep_run(msgspec.structs.replace(plan, cluster=cluster), {"HOME": str(kubevouch.home)})
    asked = ("status", "--via", "pod", "--image", image, "--pod-namespace", "tools")
    ran = await kubevouch(*asked, "--nodes", WORKER, "--kubeconfig", str(away))
    assert ran.err.splitlines()[-1] == (
        f"NEXT     kubevouch status bbbb --nodes {WORKER} --kubeconfig {away} "
        f"--via pod --image {image} --pod-namespace tools"
    ), ran


def terminal_at(kubevouch: Program) -> Terminal:
    return Terminal(None, io.StringIO(), io.StringIO(), {"HOME": str(kubevouch.home)})


@pytest.mark.parametrize(
    ("undoes", "interrupted", "again"),
    [
        (True, True, f"kubevouch undo bbbb --nodes {SECOND}"),
        (True, False, ""),
        (False, True, ""),  # a run that was stopped: what it has put back itself is no undo
    ],
)
def test_an_undo_that_was_stopped_here_is_known_by_its_log(
    kubevouch: Program, undoes: bool, interrupted: bool, again: str
) -> None:
    terminal = terminal_at(kubevouch)
    nodes = [
        planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=each)
        for each in (WORKER, SECOND)
    ]
    plan = plan_of(*nodes, run="bbbb")
    keep_run(plan, terminal.environment)
    outcomes = (
        NodeResult(WORKER, NodeOutcome.UNDONE),
        NodeResult(SECOND, NodeOutcome.NOT_PUT_BACK),
    )
    with ending_logged(
        begun_log(plan, "it", run_lease("bbbb", terminal, undoes=undoes), terminal)
    ) as ended:
        result = RunResult("bbbb", outcomes, "", interrupted=interrupted)
        ended(result, ExitCode.INTERRUPTED)
    seen = [RunOnNode(WORKER, "bbbb", Standing.UNDONE), RunOnNode(SECOND, "bbbb", Standing.DONE)]
    stopped = stopped_undo_here(seen, terminal)
    assert (stopped.again if stopped else "") == again
    begun_log(plan, "it", run_lease("bbbb", terminal, undoes=True), terminal)
    assert stopped_undo_here(seen, terminal) is None, "it has been gone on with, and not ended"


def logged(
    terminal: Terminal,
    run: str,
    *outcomes: NodeOutcome,
    undoes: bool = True,
    nodes: tuple[str, ...] = (),
    error: bool = False,
) -> None:
    """A run, or an undo of it, that was begun on this machine and has ended: stopped, or refused with an error."""
    named = [planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=each) for each in NAMES]
    plan = plan_of(*named, run=run)
    keep_run(plan, terminal.environment)
    lease = run_lease(run, terminal, undoes=undoes, nodes=nodes)
    with (
        contextlib.suppress(ConnectionError),
        ending_logged(begun_log(plan, "it", lease, terminal)) as ended,
    ):
        if error:
            raise ConnectionError
        results = tuple(NodeResult(*each) for each in zip(nodes or NAMES, outcomes, strict=True))
        interrupted = not {UNTOUCHED, LEFT}.isdisjoint(outcomes)
        ended(RunResult(run, results, "", interrupted=interrupted), ExitCode.INTERRUPTED)


NAMES = (WORKER, SECOND)
UNDONE, LEFT = NodeOutcome.UNDONE, NodeOutcome.NOT_PUT_BACK
UNTOUCHED, DONE = NodeOutcome.UNTOUCHED, NodeOutcome.DONE
ONE_LEFT = [RunOnNode(SECOND, "bbbb", Standing.DONE)]
"""The node that was put back is not asked: only the logs tell."""


def again_here(seen: list[RunOnNode], terminal: Terminal) -> str:
    stopped = stopped_undo_here(seen, terminal)
    return stopped.again if stopped else ""


def test_a_run_that_was_begun_here_since_is_a_new_decision(kubevouch: Program) -> None:
    """The undo was abandoned: to go on with it would take the new run apart."""
    terminal = terminal_at(kubevouch)
    logged(terminal, "cccc", DONE, DONE, undoes=False)
    logged(terminal, "bbbb", UNDONE, LEFT)
    assert again_here(ONE_LEFT, terminal) == f"kubevouch undo bbbb --nodes {SECOND}"
    logged(terminal, "bbbb", error=True)
    assert again_here(ONE_LEFT, terminal), "what was refused has changed nothing"
    logged(terminal, "dddd", error=True, undoes=False)
    logged(terminal, "bbbb", error=True, undoes=False)
    logged(terminal, "eeee", UNTOUCHED, UNTOUCHED, undoes=False)
    assert again_here(ONE_LEFT, terminal), "nor has a run that ended before it began on a node"
    logged(terminal, "dddd", DONE, DONE, undoes=False)
    assert again_here(ONE_LEFT, terminal) == ""


def test_of_several_undos_that_were_stopped_the_last_one_is_gone_on_with(
    kubevouch: Program,
) -> None:
    terminal = terminal_at(kubevouch)
    seen = [RunOnNode(WORKER, "cccc", Standing.DONE), *ONE_LEFT]
    for run in ("cccc", "bbbb", "cccc"):
        logged(terminal, run, LEFT, LEFT)
        assert again_here(seen, terminal).startswith(f"kubevouch undo {run}")


def test_an_undo_of_one_node_does_not_make_the_others_of_a_stopped_one_forgotten(
    kubevouch: Program,
) -> None:
    terminal = terminal_at(kubevouch)
    logged(terminal, "bbbb", LEFT, LEFT)
    logged(terminal, "bbbb", UNDONE, nodes=(WORKER,))
    seen = [RunOnNode(WORKER, "bbbb", Standing.UNDONE), *ONE_LEFT]
    assert again_here(seen, terminal) == f"kubevouch undo bbbb --nodes {SECOND}"


def test_a_run_that_was_put_back_somewhere_is_not_gone_on_with_from_a_status_of_other_nodes(
    kubevouch: Program,
) -> None:
    terminal = terminal_at(kubevouch)
    seen = [RunOnNode(WORKER, "bbbb", Standing.DONE), RunOnNode(SECOND, "", Standing.NONE)]
    logged(terminal, "bbbb", DONE, UNTOUCHED, undoes=False)
    assert stopped_here(seen, terminal) is not None
    logged(terminal, "bbbb", UNDONE, nodes=("k8s-worker-3.internal.example.com",))
    assert stopped_here(seen, terminal) is None


def test_a_run_that_found_a_node_well_and_came_to_its_end_was_not_stopped_whatever_is_undone_there(
    kubevouch: Program,
) -> None:
    """Another run had changed that node, and was undone since: a resume would take that undo apart."""
    terminal = terminal_at(kubevouch)
    put_back = RunOnNode(SECOND, "cccc", Standing.UNDONE, put_back=("cccc",))
    seen = [RunOnNode(WORKER, "bbbb", Standing.DONE), put_back]
    logged(terminal, "bbbb", DONE, UNTOUCHED, undoes=False)
    assert stopped_here(seen, terminal) is not None
    assert not through_here(["bbbb"], terminal.environment)
    logged(terminal, "bbbb", DONE, DONE, undoes=False)
    assert stopped_here(seen, terminal) is None
    through = through_here(["bbbb", "cccc"], terminal.environment)
    assert through == {"bbbb"}
    rows = [seen[0], RunOnNode(SECOND, "bbbb", Standing.NONE)]
    told = next_for_status(rows, "bbbb", None, frozenset({"bbbb"}), through=through)
    assert told == ("kubevouch verify --wait 2m", "")
    logged(terminal, "bbbb", UNDONE, nodes=(WORKER,))
    assert not through_here(["bbbb"], terminal.environment)


def test_a_run_that_was_stopped_here_is_known_by_its_log_where_no_node_answers(
    kubevouch: Program,
) -> None:
    terminal = terminal_at(kubevouch)
    silent = [RunOnNode(WORKER, "", Standing.UNKNOWN), RunOnNode(SECOND, "", Standing.UNKNOWN)]

    def known(uid: str) -> str:
        return str(stopped_here(silent, terminal, uid) or "")

    logged(terminal, "bbbb", DONE, UNTOUCHED, undoes=False)
    plan = kept_plan("bbbb", terminal.environment)
    assert plan is not None
    cluster = plan.cluster.cluster_uid
    left = "run bbbb: it has not begun on 1 of the 2 nodes that it was to change"
    assert known(cluster) == left
    assert (known("elsewhere"), known("")) == ("", "")
    answered = [*silent, RunOnNode("m", "", Standing.NONE)]
    assert stopped_here(answered, terminal, cluster) is None, "the nodes know better"
    logged(terminal, "bbbb", UNDONE, UNTOUCHED, undoes=False)
    assert known(cluster) == "", "it put a node back, and goes on by no resume"
    logged(terminal, "bbbb", DONE, UNTOUCHED, undoes=False)
    assert known(cluster) == left
    logged(terminal, "bbbb", UNDONE, LEFT)
    assert known(cluster) == "", "it is being undone"
    logged(terminal, "bbbb", DONE, UNTOUCHED, undoes=False)
    logged(terminal, "aaaa", DONE, DONE, undoes=False)
    assert known(cluster) == "", "whoever began another run since has decided anew"
