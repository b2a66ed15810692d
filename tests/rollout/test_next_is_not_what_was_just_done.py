"""Whoever does what NEXT says comes further: where the same command would come to the same, something else is named first."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.cli.rollout.again import commands_of
from kubevouch.errors import UsageError
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.next_for_status import next_for_status
from kubevouch.rollout.decide.next_step import Commands, NextStep, next_for_left_out
from kubevouch.rollout.decide.operator_word import NO_WORD
from kubevouch.rollout.decide.plan import LeadsOn, LeftOut, Plan, PodPlace
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.reaching import WayToNodes, reached_otherwise
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from tests.rollout.acting import SECOND, SELF_SIGNED, THIRD, WORKER, acting
from tests.rollout.staged import a_run
from tests.rollout.test_a_plan_is_a_file import PLAN

BY_SSH = WayToNodes("ssh", "/etc/my ssh", "ops")
LOCAL, BY_POD = WayToNodes("local"), WayToNodes("pod")
CUT = RunOnNode("w1", "aaaa", Standing.UNKNOWN, host="10.0.0.7")
ROOTLESS = RunOnNode("w1", "aaaa", Standing.UNKNOWN, host="w1", lacks_root=True)
DONE = RunOnNode("w2", "aaaa", Standing.DONE)
NO_ANSWER = RunOnNode("w1", "aaaa", Standing.UNKNOWN, host="w1", lacks_answer=True)
ARMED = RunOnNode("w1", "eeee", Standing.ARMED, fires_in=143)
OVERDUE = RunOnNode("w1", "eeee", Standing.ARMED, fires_in=-4)
ALIVE = RunHolder("aaaa on alice@laptop (1)", None, timedelta(seconds=1))
AGAIN = "kubevouch status aaaa --nodes w1,w2"


@pytest.mark.parametrize(
    ("statuses", "way", "command", "note"),
    [
        # A node that cannot be asked: the operator's own ssh shows why, as the plan goes there.
        ([DONE, CUT], BY_SSH, "ssh -F '/etc/my ssh' -l ops -- 10.0.0.7 true", f"once w1 can be asked: `{AGAIN}`"),
        ([CUT], WayToNodes(), "ssh -- 10.0.0.7 true", f"`{AGAIN}`"),
        ([ROOTLESS], BY_SSH, "ssh -F '/etc/my ssh' -l ops -t -- w1 sudo -l", f"`{AGAIN}`"),
        ([NO_ANSWER], BY_SSH, "ssh -F '/etc/my ssh' -l ops -- w1", f"`{AGAIN}`"),
        ([CUT], BY_POD, "kubectl describe node w1", f"`{AGAIN}`"),
        ([CUT], LOCAL, "kubevouch status --nodes w1,w2 --via ssh", "asks this machine only, and w1 is another one"),
        # The answer got lost: it may come another time.
        ([RunOnNode("w1", "aaaa", Standing.UNKNOWN)], BY_SSH, AGAIN, "once the nodes that did not answer"),
        # The plan of what is armed is not here: its switch is waited for.
        ([ARMED, DONE], BY_SSH, "sleep 158 && kubevouch status eeee --nodes w1,w2", "in 143 s"),
        ([OVERDUE], BY_SSH, "sleep 15 && kubevouch status eeee --nodes w1,w2", "wait until the switch"),
    ],
)  # fmt: skip
def test_after_a_status(
    statuses: list[RunOnNode], way: WayToNodes, command: str, note: str
) -> None:
    said = next_for_status(statuses, "aaaa", None, frozenset(), nodes=("w1", "w2"), way=way)
    assert said[0] == command
    assert note in said[1]


def test_a_status_of_some_nodes_is_asked_for_these_again() -> None:
    command, _ = next_for_status([DONE], "", ALIVE, frozenset({"aaaa"}), nodes=("w1", "w2"))
    assert command == AGAIN


def test_a_node_that_the_plan_of_a_run_reaches_in_another_way_is_asked_by_that_run() -> None:
    """Where nobody has said how nodes are reached: the status of that run goes there, and the same one again would not."""
    others = [RunOnNode(each, "", Standing.UNKNOWN, host=each) for each in ("w0", "w1", "w2")]
    reached = {"w1": "aaaa", "w2": "bbbb"}
    command, note = next_for_status(others, "", None, frozenset(), reached=reached)
    assert command == "kubevouch status aaaa"
    assert note.endswith(
        "how w1 is reached; the plan of run aaaa, which is kept on this machine, does"
    )
    known = [*others[:2], msgspec.structs.replace(others[2], last_known_armed="bbbb")]
    command, _ = next_for_status(known, "", None, frozenset(), reached=reached)
    assert command == "kubevouch status bbbb", "what is known to be armed comes first"
    some = ("w1", "w0", "w2")
    command, _ = next_for_status(others, "", None, frozenset(), nodes=some, reached=reached)
    assert command == "kubevouch status aaaa --nodes w1", "the run has no other of them"
    command, _ = next_for_status(others[:1], "", None, frozenset(), reached=reached)
    assert command == "ssh -- w0 true"


def test_the_run_that_reaches_a_node_in_another_way_is_the_one_that_is_armed_there_or_the_newest() -> (
    None
):
    by_file = msgspec.structs.replace(PLAN, run="aaaa", ssh_config="/my ssh")
    newer = msgspec.structs.replace(by_file, run="bbbb", ssh_user="ops")
    name = PLAN.nodes[0].node
    silent = RunOnNode(name, "", Standing.UNKNOWN, host=name)
    rows, own = (silent, RunOnNode("w9", "", Standing.UNKNOWN, host="w9")), WayToNodes()
    assert reached_otherwise(rows, own, [newer, by_file]) == {name: "bbbb"}
    assert reached_otherwise(rows, own, [newer, by_file], "aaaa") == {name: "aaaa"}
    armed = msgspec.structs.replace(silent, last_known_armed="aaaa")
    assert reached_otherwise([armed], own, [newer, by_file], "bbbb") == {name: "aaaa"}
    assert reached_otherwise(rows, WayToNodes(ssh_config="/my ssh"), [by_file]) == {}, "was tried"
    asks = msgspec.structs.replace(by_file, ssh_config="", ask_sudo_password=True)
    assert reached_otherwise(rows, own, [asks]) == {name: "aaaa"}, "which asks for the password"
    for other in (RunOnNode(name, "", Standing.UNKNOWN), RunOnNode(name, "", Standing.NONE)):
        assert reached_otherwise([other], own, [newer]) == {}, "it has answered"


def test_a_run_goes_on_with_the_times_that_it_was_carried_out_with() -> None:
    def resumed(times: RolloutTimeouts, file: str = "") -> str:
        armed = RunOnNode("w1", "aaaa", Standing.ARMED, fires_in=143)
        known = {"aaaa": times}
        return next_for_status([armed], "aaaa", None, frozenset({"aaaa"}), times=known, file=file)[
            0
        ]

    assert resumed(RolloutTimeouts()) == "kubevouch resume aaaa"
    assert (
        resumed(RolloutTimeouts(300, 1.5), "p.json")
        == "kubevouch resume p.json --gate-timeout 300s --soak 1.5s"
    )
    assert resumed(RolloutTimeouts(180, 1e6)) == "kubevouch resume aaaa --soak 1000000s"


SILENT = LeftOut("w1", "connection timed out", unreached="w1")
NO_ROOT = LeftOut("w2", "a password is required", unreached="w2", lacks_root=True)
MUTE = LeftOut("w5", "the survey script gave no answer", unreached="w5", lacks_answer=True)
EDITED = LeftOut("w3", "its clock is +200 s off from this machine's")
CLOCK = LeftOut("w3", "its clock is off", leads_on=LeadsOn.NODE, host="10.0.0.3")
CLAIM = LeftOut("w6", "its CSR would be held", leads_on=LeadsOn.STATUS)
WINDOWS = LeftOut("w7", "it runs windows", leads_on=LeadsOn.NOTHING)
POD_ONLY = LeftOut("w8", "by pod nobody can tell", leads_on=LeadsOn.SSH)
ARMED_ELSEWHERE = LeftOut("w4", "run eeee has changed it", armed_run="eeee")


@pytest.mark.parametrize(
    ("left_out", "way", "step"),
    [
        ([EDITED, SILENT], BY_SSH, NextStep("ssh -F '/etc/my ssh' -l ops -- w1 true", "anew")),
        ([NO_ROOT], WayToNodes(), NextStep("ssh -t -- w2 sudo -l", "anew")),
        ([MUTE], BY_SSH, NextStep("ssh -F '/etc/my ssh' -l ops -- w5", "anew")),
        (
            [msgspec.structs.replace(MUTE, node="w5", unreached="w5")],
            BY_POD,
            NextStep("kubectl describe node w5", "anew"),
        ),
        ([SILENT], BY_POD, NextStep("kubectl describe node w1", "anew")),
        ([SILENT], LOCAL, NextStep("anew by ssh")),
        # This machine is w3 itself, and what it says is not mended by another way to it.
        ([SILENT, EDITED], LOCAL, NextStep("anew")),
        # What a person is to do comes before the same plan: on the node, or about what its Node claims.
        ([CLAIM, CLOCK], BY_SSH, NextStep("ssh -F '/etc/my ssh' -l ops -- 10.0.0.3", "anew")),
        ([CLOCK, SILENT], WayToNodes(), NextStep("ssh -- w1 true", "anew")),
        ([CLOCK], LOCAL, NextStep("anew")),
        ([CLOCK, CLAIM], BY_POD, NextStep("kubectl describe node w6", "anew")),
        ([CLOCK, POD_ONLY], BY_POD, NextStep("anew by ssh")),
        ([WINDOWS], BY_SSH, NextStep("kubevouch doctor")),
        ([WINDOWS, CLAIM], BY_SSH, NextStep("kubectl describe node w6", "anew")),
        ([ARMED_ELSEWHERE, SILENT], BY_SSH, NextStep("looks at eeee", "anew")),
    ],
)
def test_after_a_plan_that_leaves_out_every_node_that_is_not_well(
    left_out: list[LeftOut], way: WayToNodes, step: NextStep
) -> None:
    commands = Commands(
        "again", "anew", lambda _: "", lambda run: f"looks at {run}", way, "anew by ssh"
    )
    assert next_for_left_out(left_out, commands) == step


def test_where_another_run_stands_is_asked_by_the_same_way_to_the_nodes(tmp_path: Path) -> None:
    def looks(plan: Plan) -> str:
        environment = {"XDG_STATE_HOME": str(tmp_path)}
        return commands_of(plan, Path("plan.json"), NO_WORD, environment).looks("eeee")

    assert looks(PLAN) == "kubevouch status eeee"
    over = msgspec.structs.replace(PLAN, ssh_config="/my ssh", ssh_user="ops")
    assert looks(over) == "kubevouch status eeee --ssh-config '/my ssh' --ssh-user ops"
    image = "registry.example.com/kubevouch@sha256:" + "ab" * 32
    by_pod = msgspec.structs.replace(PLAN, via="pod", pods=PodPlace("kube-system", image))
    asked = f"kubevouch status eeee --via pod --image {image} --pod-namespace kube-system"
    assert looks(by_pod) == asked


async def test_a_plan_and_a_status_know_the_host_that_was_asked_in_vain() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND, THIRD)
        here.machines.by_name[WORKER].away = True
        here.machines.by_name[SECOND].rootless = True
        here.machines.by_name[THIRD].mute = True
        found = await gather_statuses(
            map(planned_target, plan.nodes), plan.run, here.context.transport
        )
        asked = [(each.host, each.lacks_root, each.lacks_answer) for each in found]
        assert asked == [(WORKER, False, False), (SECOND, True, False), (THIRD, False, True)]
        left_out = (await here.plan(WORKER, SECOND, THIRD)).left_out
        assert asked == [(each.unreached, each.lacks_root, each.lacks_answer) for each in left_out]


async def test_a_plan_knows_that_another_machine_has_answered_and_which_run_is_armed() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        first, second = here.machines.by_name[WORKER], here.machines.by_name[SECOND]
        first.survey = msgspec.structs.replace(first.survey, machine_id=b"another")
        second.survey = msgspec.structs.replace(second.survey, runs=(a_run("eeee", "restarted"),))
        one, other = (await here.plan(WORKER, SECOND)).left_out
        assert (one.unreached, one.armed_run) == (WORKER, "")
        assert (other.unreached, other.armed_run) == ("", "eeee")


async def test_a_plan_knows_where_a_person_can_do_what_its_reason_says() -> None:
    """The same plan once more came next, which would leave out the same nodes."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        first = here.machines.by_name[WORKER]
        first.survey = msgspec.structs.replace(first.survey, clock=first.survey.clock + 600)
        here.change("Node", SECOND, lambda node: _with(node, "nodeInfo", operatingSystem="windows"))
        addresses = [{"type": "InternalIP", "address": f"10.9.0.{n}"} for n in range(100)]
        here.change(
            "Node",
            THIRD,
            lambda node: {**node, "status": {**node["status"], "addresses": addresses}},
        )
        plan = await here.plan(WORKER, SECOND, THIRD)
        said = {each.node: (each.leads_on, each.host) for each in plan.left_out}
        assert said == {
            WORKER: (LeadsOn.NODE, WORKER),
            SECOND: (LeadsOn.NOTHING, ""),
            THIRD: (LeadsOn.STATUS, ""),
        }
        commands = Commands("again", "anew", lambda _: "")
        assert next_for_left_out(plan.left_out, commands) == NextStep(f"ssh -- {WORKER}", "anew")


def _with(node: Any, part: str, **fields: str) -> Any:
    status = node["status"]
    return {**node, "status": {**status, part: {**status[part], **fields}}}


@pytest.mark.parametrize("field", ["unreached", "host"])
def test_a_plan_in_which_such_a_host_is_none_is_refused(field: str) -> None:
    away = msgspec.structs.replace(LeftOut("w1", "away"), **{field: "-oProxyCommand=x"})
    bent = msgspec.structs.replace(PLAN, left_out=(away,))
    with pytest.raises(UsageError, match="is not a valid plan"):
        plan_in(text_of(bent).encode(), "plan.json")
