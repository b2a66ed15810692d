"""What comes next after each state, end and refusal: the command, the one after it, and the note."""

from collections.abc import Sequence
from datetime import timedelta
from shlex import join, split

import msgspec
import pytest
from click import Context

from kubevouch.cli.app import program as cli
from kubevouch.errors import KubevouchError
from kubevouch.evidence.run_holder import LONGEST_GATES, ArmedNode, RunHolder
from kubevouch.kube.errors import ApiUnreachable, Forbidden, Unauthorized
from kubevouch.rollout.decide.advice import BY_SSH as OWN_SSH
from kubevouch.rollout.decide.advice import Case, NextStep, step
from kubevouch.rollout.decide.armed import found_armed, what_is_left_armed
from kubevouch.rollout.decide.entitled import NO_WORD
from kubevouch.rollout.decide.next_for_status import StatusFacts, next_for_status, who_writes
from kubevouch.rollout.decide.next_step import (
    Commands,
    commands_of,
    next_after,
    next_after_refusal,
    next_after_undo,
    next_for_left_out,
    shows_an_answer,
)
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodeOptions, Plan, PodPlace
from kubevouch.rollout.decide.result import ConfigMapResult, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import NodeState, RunOnNode
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.errors import LeadsOn, NothingApplicable, NotTheHolder, StoppedBefore
from tests.rollout.recorded import plan_of, planned, recorded

RESUME = "kubevouch resume aaaa"
# The table.

FILLED = {
    "run": "aaaa",
    "nodes": ["--node", "w 1"],
    "way": ["--ssh-user", "ops"],
    "again": ["kubevouch", "apply", "my plan.json"],
    "anew": ["kubevouch", "plan", "-o", "my plan.json"],
    "shows": ["df", "-h"],
    "sleep": "sleep 9 &&",
}


@pytest.mark.parametrize("case", Case)
def test_each_row_is_a_command_line_that_the_program_takes(case: Case) -> None:
    found = step(case, **FILLED)
    assert found.command, "a command comes next"
    for line in (found.command, found.then, *found.note.split("`")[1::2]):
        program, *words = split(line.removeprefix("sleep 9 && ")) or ["", ""]
        if program == "kubevouch":
            verb = cli.get_command(Context(cli), words[0])
            assert verb, words
            verb.make_parser(Context(verb)).parse_args(words[1:])  # raises for an unknown flag
        assert not {*"{}"} & {*line}
    assert not {*"{}"} & {*found.note}


# What runs have left on nodes.

ALICE, UNDO_OF = "aaaa on alice@laptop (1)", "aaaa on alice@laptop (undo 1)"


def holder(identity: str, silent: float) -> RunHolder:
    return RunHolder(identity, None, timedelta(seconds=silent))


ALIVE, LATE, DEAD = holder(ALICE, 1), holder(ALICE, 9.4), holder(ALICE, 60)
DEAD_UNDO = holder(UNDO_OF, 60)


def row(state: NodeState, run: str = "aaaa", node: str = "n", **other: object) -> RunOnNode:
    return RunOnNode(node, run, state, **other)  # type: ignore[arg-type]


ARMED, LONG = row(NodeState.ARMED, fires_in=30), row(NodeState.ARMED, fires_in=143)
DONE, FAILED = row(NodeState.DONE), row(NodeState.FAILED, fires_in=-90)
NONE, UNDONE = row(NodeState.UNTOUCHED, node="m"), row(NodeState.UNDONE, node="m")
OTHER, ELSE = row(NodeState.UNDONE, "bbbb"), row(NodeState.ARMED, "eeee", fires_in=143)
SILENT = row(NodeState.UNKNOWN, "", host="n", leads_on=LeadsOn.REACH)
MUTE, UNSAID = row(NodeState.UNKNOWN, host="n", leads_on=LeadsOn.NODE), row(NodeState.UNKNOWN)
ROOTLESS = row(NodeState.UNKNOWN, host="n", leads_on=LeadsOn.ROOT)
OTHER_KEY = row(NodeState.UNKNOWN, host="n", leads_on=LeadsOn.OTHER_KEY)
IS_KEPT = {"aaaa"}
LOOK = "kubevouch status aaaa"


@pytest.mark.parametrize(
    ("rows", "found", "case", "command"),
    [
        ([ARMED], {"holder": ALIVE, "kept": IS_KEPT}, Case.RUNNING, LOOK),
        ([ARMED], {"holder": LATE, "kept": IS_KEPT}, Case.RUNNING, f"sleep 11 && {LOOK}"),
        ([DONE], {"holder": holder(UNDO_OF, 2), "kept": IS_KEPT}, Case.RUNNING, LOOK),
        ([DONE, UNDONE], {"holder": DEAD_UNDO, "kept": IS_KEPT}, Case.UNDO_CUT_OFF, "kubevouch undo aaaa"),
        ([LONG, UNDONE], {"holder": DEAD_UNDO, "kept": IS_KEPT}, Case.UNDO_CUT_OFF, "kubevouch undo aaaa"),
        ([DONE, SILENT], {"holder": DEAD_UNDO, "kept": IS_KEPT}, Case.UNDO_CUT_OFF, "kubevouch undo aaaa"),
        ([DONE], {"holder": holder("aaaa on alice@laptop (undo w1,w2 1)", 60), "kept": IS_KEPT}, Case.UNDO_CUT_OFF, "kubevouch undo aaaa --node w1 --node w2"),
        ([DONE, UNDONE], {"holder": DEAD_UNDO}, Case.ELSEWHERE, LOOK),
        ([OTHER], {"run": "bbbb", "holder": DEAD_UNDO, "kept": {"bbbb"}}, Case.UNDONE, "kubevouch doctor"),
        ([LONG, SILENT], {"kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([LONG, OTHER], {"run": "bbbb", "holder": DEAD, "kept": {"aaaa", "bbbb"}}, Case.GO_ON, RESUME),
        ([ELSE, LONG], {"run": "aaaa", "kept": {"aaaa", "eeee"}}, Case.GO_ON, RESUME),
        ([ARMED, LONG], {"kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([FAILED], {"kept": IS_KEPT}, Case.FAILED, "kubevouch undo aaaa --node n"),
        ([FAILED], {}, Case.ELSEWHERE, LOOK),
        ([LONG], {}, Case.ELSEWHERE, f"sleep 158 && {LOOK}"),
        ([row(NodeState.ARMED, fires_in=2**33)], {}, Case.ELSEWHERE, f"sleep 615 && {LOOK}"),
        ([SILENT], {"nodes": ("n", "m")}, Case.SILENT, "ssh -- n true"),
        ([DONE, SILENT], {"holder": DEAD, "kept": IS_KEPT}, Case.SILENT, "ssh -- n true"),
        ([ROOTLESS], {"way": NodeOptions("ssh", "/my ssh", "ops")}, Case.SILENT, "ssh -F '/my ssh' -l ops -t -- n sudo -l"),
        ([MUTE], {}, Case.SILENT, "ssh -- n"),
        ([SILENT], {"way": NodeOptions("pod", "", "")}, Case.SILENT, "kubectl describe node n"),
        ([UNSAID], {"run": "aaaa"}, Case.LOOK, LOOK),
        ([OTHER_KEY], {"run": "aaaa", "kept": IS_KEPT}, Case.OTHER_KEY, "kubevouch status --node n"),
        ([DONE, UNDONE], {"run": "aaaa", "kept": IS_KEPT}, Case.UNDONE_IN_PART, "kubevouch doctor"),
        ([DONE, UNDONE], {"holder": DEAD, "kept": IS_KEPT}, Case.UNDONE_IN_PART, "kubevouch doctor"),
        ([DONE, UNDONE], {}, Case.DOCTOR, "kubevouch doctor"),
        ([UNDONE], {"run": "aaaa", "kept": IS_KEPT}, Case.UNDONE, "kubevouch doctor"),
        ([DONE], {"holder": DEAD, "kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([OTHER], {"holder": DEAD, "kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([DONE], {"holder": DEAD}, Case.ELSEWHERE, LOOK),
        ([DONE, NONE], {"run": "aaaa", "kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([NONE], {"run": "aaaa", "kept": IS_KEPT}, Case.GO_ON, RESUME),
        ([DONE, row(NodeState.UNTOUCHED, "", "m")], {"kept": IS_KEPT, "newest": "aaaa", "planned": ["n", "m"]}, Case.GO_ON, RESUME),
        # The run only approves m's CSR, and leaves no record there.
        ([DONE, row(NodeState.UNTOUCHED, "", "m")], {"kept": IS_KEPT, "newest": "aaaa", "planned": ["n"]}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([DONE, NONE], {"run": "aaaa", "kept": IS_KEPT, "planned": ["n"]}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([NONE], {"run": "aaaa", "kept": IS_KEPT, "planned": []}, Case.DOCTOR, "kubevouch doctor"),
        ([DONE, row(NodeState.DONE, "bbbb", "m")], {"kept": IS_KEPT, "newest": "aaaa", "planned": ["n"]}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([DONE], {"run": "aaaa", "kept": IS_KEPT}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([DONE], {"kept": IS_KEPT, "newest": "aaaa"}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([DONE, NONE], {}, Case.VERIFY, "kubevouch verify --wait 2m"),
        ([NONE, NONE], {}, Case.DOCTOR, "kubevouch doctor"),
        # The plan was given by its file, on another machine than the one where the run was begun: its name alone says nothing here.
        ([LONG], {"run": "aaaa", "file": "of bob.json"}, Case.GO_ON, "kubevouch resume 'of bob.json'"),
        ([SILENT], {"run": "aaaa", "file": "of bob.json"}, Case.SILENT, "ssh -- n true"),
        ([ELSE], {"run": "aaaa", "file": "of bob.json"}, Case.ELSEWHERE, "sleep 158 && kubevouch status eeee"),
    ],
)  # fmt: skip
def test_after_a_status(
    rows: Sequence[RunOnNode], found: dict[str, object], case: Case, command: str
) -> None:
    seen = next_for_status(StatusFacts(rows, **found))  # type: ignore[arg-type]
    assert seen.command == command
    before, _, behind = case.value.note.partition("{")
    assert seen.note.startswith(before) and seen.note.endswith(behind.rpartition("}")[2]), seen
    assert not {*"{}"} & {*seen.note}
    assert bool(seen.note) is bool(case.value.note)


READY = "kubectl get --raw /readyz"


@pytest.mark.parametrize(
    ("rows", "first", "waits"),
    [
        ([LONG], READY, True),
        ([DONE, NONE], READY, True),
        # This needs no API server.
        ([SILENT], "ssh -- n true", False),
    ],
)
def test_while_the_api_server_is_away_what_needs_it_comes_after_what_shows_that_it_is_back(
    rows: Sequence[RunOnNode], first: str, waits: bool
) -> None:
    found = next_for_status(StatusFacts(rows, "aaaa", kept=IS_KEPT, away=READY))
    assert found.command == first
    assert (found.then == RESUME) is waits


def test_which_command_shows_that_the_api_server_answers() -> None:
    away = ApiUnreachable("s", "connection refused")
    assert shows_an_answer(away) == READY
    assert shows_an_answer(Unauthorized("s", "expired", code=401)) == "kubectl auth whoami"
    assert shows_an_answer(Forbidden("s", "not allowed", code=403)) == "", "it has answered"


@pytest.mark.parametrize(
    ("seen", "doubt", "said"),
    [
        (None, "", "none"),
        (None, "not allowed", "unknown: not allowed"),
        (ALIVE, "", "run aaaa of alice@laptop (renewed 1 s ago)"),
        (DEAD, "", "none; run aaaa of alice@laptop (not renewed for 60 s) died (killed, or cut off from the API server)"),
        (holder("aaaa on alice@laptop (undo w1,w2 1)", 1), "", "undo of run aaaa on w1, w2 by alice@laptop (renewed 1 s ago)"),
    ],
)  # fmt: skip
def test_who_writes(seen: RunHolder | None, doubt: str, said: str) -> None:
    assert who_writes(seen, doubt) == said


HOSTILE = "d21d76ea;touch${IFS}/tmp/here"


@pytest.mark.parametrize("of", ["1", "undo 1"])
@pytest.mark.parametrize("silent", [1, 60])
def test_no_command_line_holds_what_a_lease_or_a_node_calls_a_run_and_is_no_runs_name(
    of: str, silent: float
) -> None:
    looked = StatusFacts([NONE], holder=holder(f"{HOSTILE} on root@ops-1 ({of})", silent))
    armed = StatusFacts([row(NodeState.ARMED, HOSTILE)])
    for found in (next_for_status(looked), next_for_status(armed)):
        assert "touch" not in found.command
        assert "touch" not in found.note


# After a run.

COMMANDS = Commands(
    ["again"], ["anew"], lambda run: run == "ffff", there=["--via", "pod"], by_ssh=["by-ssh"]
)
GO_ON = "kubevouch resume ffff"
UNTOUCHED, IN_HAND, OK, BACK, DOWN, UNKNOWN = NodeState
ILL = LeftOut("w9", "its clock is off")
NOT_READY = LeftOut("w9", "it is NotReady", leads_on=LeadsOn.DOCTOR)
BY_OURS = LeftOut("w9", "run ffff has changed it", armed_run="ffff")
BY_OTHER = LeftOut("w9", "run eeee has changed it", armed_run="eeee")
WELL = LeftOut("w9", "nothing to do", is_well=True, armed_run="ffff", leads_on=LeadsOn.DOCTOR)
SEES = "kubevouch status"


def ended(*states: NodeState, **other: object) -> RunResult:
    nodes = tuple(NodeResult(f"n{i}", each) for i, each in enumerate(states))
    return RunResult("aaaa", nodes, **other)  # type: ignore[arg-type]


FAILS = ConfigMapResult("somebody else has changed or recreated the object", failed=True)
SETTLED, FORBIDDEN = (
    msgspec.structs.replace(FAILS, **{each: True}) for each in ("settled", "forbidden")
)
TO_BOB, DELETED, ITSELF = "bbbb", "", "aaaa"


@pytest.mark.parametrize(
    ("result", "command", "then"),
    [
        (ended(OK, OK), "kubevouch verify --wait 2m", ""),
        (ended(), "kubevouch verify --wait 2m", ""),
        (ended(OK, left_out=(ILL,)), "anew", ""),
        (ended(OK, left_out=(ILL, NOT_READY)), "kubevouch doctor", "anew"),
        (ended(OK, left_out=(ILL, BY_OURS)), GO_ON, "anew"),
        (ended(OK, config_map=FAILS), "anew", ""),
        (ended(OK, UNTOUCHED, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(OK, BACK, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(BACK, UNTOUCHED, interrupted=True), "kubevouch doctor", "anew"),
        (ended(OK, UNTOUCHED, interrupted=True), "again", ""),
        (ended(IN_HAND, UNTOUCHED), "again", ""),
        (ended(UNKNOWN), "kubevouch doctor", "anew"),
        (ended(DOWN, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(OK, UNTOUCHED, stopped="the canary fell ill"), "kubevouch doctor", "anew"),
        # The run that has the Lease now comes first, and then this one.
        (ended(OK, UNTOUCHED, lost_to=TO_BOB, stopped="lost"), f"{SEES} bbbb --via pod", "again"),
        (ended(IN_HAND, UNTOUCHED, lost_to=TO_BOB), f"{SEES} bbbb --via pod", "again"),
        (ended(OK, UNTOUCHED, lost_to=DELETED, stopped="lost"), "again", ""),
        (ended(IN_HAND, lost_to=ITSELF), f"{SEES} aaaa --via pod", ""),
        (ended(OK, OK, lost_to=TO_BOB, stopped="lost"), "kubevouch verify --wait 2m", ""),
        (ended(BACK, UNTOUCHED, lost_to=TO_BOB), "kubevouch doctor", "anew"),
    ],
)  # fmt: skip
def test_after_a_run(result: RunResult, command: str, then: str) -> None:
    assert next_after(result, COMMANDS) == NextStep(command, then)


# After an undo.


def left(state: NodeState, *, settled: bool = True) -> NodeResult:
    return NodeResult("n9", state, settled=settled)


@pytest.mark.parametrize(
    ("others", "result", "command", "then"),
    [
        ([], {}, "kubevouch doctor", ""),
        ([left(UNKNOWN, settled=False)], {}, "again", ""),
        ([left(UNKNOWN)], {}, f"{SEES} aaaa", ""),
        ([], {"config_map": SETTLED}, "kubevouch doctor", ""),
        ([], {"config_map": FAILS}, "again", ""),
        ([], {"config_map": FORBIDDEN}, "kubevouch apply --print-role", "again"),
        ([left(DOWN), left(UNKNOWN)], {"lost_to": TO_BOB}, f"{SEES} bbbb", "again"),
        ([], {"lost_to": TO_BOB, "config_map": FAILS}, f"{SEES} bbbb", "again"),
        ([left(UNKNOWN, settled=False)], {"lost_to": DELETED}, "again", ""),
        ([left(UNKNOWN)], {"lost_to": ITSELF}, f"{SEES} aaaa", ""),
        ([], {"lost_to": TO_BOB}, "kubevouch doctor", ""),
    ],
)  # fmt: skip
def test_after_an_undo_the_same_comes_next_only_while_it_may_come_to_something_else(
    others: list[NodeResult], result: dict[str, object], command: str, then: str
) -> None:
    as_before = (NodeResult("n1", BACK), NodeResult("n2", UNTOUCHED))
    undone = RunResult("aaaa", (*as_before, *others), **result)  # type: ignore[arg-type]
    found = next_after_undo(undone, ["again"])
    assert found == NextStep(command, then)


# After a plan that leaves nodes out.

CUT = LeftOut("w1", "connection timed out", leads_on=LeadsOn.REACH, host="w1")
NO_ROOT = LeftOut("w2", "a password is required", leads_on=LeadsOn.ROOT, host="w2")
NO_ANSWER = LeftOut("w5", "the survey script printed no answer", leads_on=LeadsOn.NODE, host="w5")
CLOCK = LeftOut("w3", "its clock is off", leads_on=LeadsOn.NODE, host="10.0.0.3")
CLAIM = LeftOut("w6", "its CSR would be held", leads_on=LeadsOn.STATUS)
WINDOWS = LeftOut("w7", "it runs windows", leads_on=LeadsOn.NOTHING)
UNSURE = LeftOut("w4", "ssh reaches it at 10.0.0.4 only", leads_on=LeadsOn.WORD)
POD_ONLY = LeftOut("w8", "so a pod may run on another machine", leads_on=LeadsOn.BY_SSH)
BY_SSH, BY_POD = NodeOptions("ssh", "/my ssh", "ops"), NodeOptions("pod", "", "")


@pytest.mark.parametrize(
    ("left_out", "way", "command", "then"),
    [
        ([ILL], BY_SSH, "anew", ""),
        ([WELL, ILL], BY_SSH, "anew", ""),
        ([NOT_READY, ILL], BY_SSH, "kubevouch doctor", "anew"),
        ([NOT_READY, BY_OURS], BY_SSH, GO_ON, "anew"),
        ([BY_OTHER, CUT], BY_SSH, f"{SEES} eeee --via pod", "anew"),
        ([ILL, CUT], BY_SSH, "ssh -F '/my ssh' -l ops -- w1 true", "anew"),
        ([NO_ROOT], OWN_SSH, "ssh -t -- w2 sudo -l", "anew"),
        ([NO_ANSWER], BY_SSH, "ssh -F '/my ssh' -l ops -- w5", "anew"),
        ([NO_ANSWER], BY_POD, "kubectl describe node w5", "anew"),
        ([CUT], BY_POD, "kubectl describe node w1", "anew"),
        # This machine is w9 itself, and what it says is not mended by another way to it.
        # What a person is to do comes before the same plan: on the node, or about what its Node claims.
        ([CLAIM, CLOCK], BY_SSH, "ssh -F '/my ssh' -l ops -- 10.0.0.3", "anew"),
        ([CLOCK, CUT], OWN_SSH, "ssh -- w1 true", "anew"),
        ([CLOCK, CLAIM], BY_POD, "kubectl describe node w3", "anew"),
        ([CLOCK, POD_ONLY], BY_POD, "by-ssh", ""),
        ([WINDOWS], BY_SSH, "kubevouch doctor", ""),
        ([UNSURE], BY_SSH, "anew", ""),
        ([WINDOWS, CLAIM], BY_SSH, "kubectl describe node w6", "anew"),
    ],
)
def test_after_a_plan_that_leaves_out_nodes(
    left_out: list[LeftOut], way: NodeOptions, command: str, then: str
) -> None:
    commands = Commands(
        ["again"], ["anew"], COMMANDS.is_kept, COMMANDS.there, way, by_ssh=["by-ssh"]
    )
    found = next_for_left_out(left_out, commands)
    assert (found.command, found.then) == (command, then)
    assert ("--addresses FILE" in found.note) is (left_out == [UNSURE])


# After a refusal.

PLAN = msgspec.structs.replace(
    plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="aaaa"),
    ssh_config="/my ssh",
    ssh_user="ops",
)
[NODE] = PLAN.nodes
PUT_BACK = f"kubevouch undo aaaa --node {NODE.node}"


@pytest.mark.parametrize(
    ("error", "command", "then"),
    [
        # Where the run stands that holds the Lease, and not this one, which may never have begun.
        (NotTheHolder("Lease", "another run is in progress", run="ffff"), f"{SEES} ffff", ""),
        (NotTheHolder("Lease", "another run has begun"), f"{SEES} --via pod", ""),
        (NotTheHolder("Lease", "another run", run="a;touch b"), f"{SEES} --via pod", ""),
        (StoppedBefore("w1", "undone on this node"), "anew", ""),
        # A new plan leaves out what is armed: without the first step it would lead back to this run.
        (StoppedBefore("w2", "edited", begun=("w3", "w1")), "kubevouch undo aaaa --node w1 --node w3", "anew"),
        (StoppedBefore(NODE.node, "another file", run="aaaa"), PUT_BACK, "anew"),
        (StoppedBefore("w1", "armed by", run="ffff"), GO_ON, "anew"),
        (StoppedBefore("w1", "armed by", run="eeee"), f"{SEES} eeee --via pod", ""),
        (StoppedBefore("context c", "another", way=LeadsOn.CLUSTER), "kubectl config get-contexts", ""),
        (StoppedBefore("server", "not allowed", way=LeadsOn.RIGHTS), "kubevouch apply --print-role", ""),
        (StoppedBefore("w1", "cannot be dialled", way=LeadsOn.DOCTOR), "kubevouch doctor", ""),
        (StoppedBefore(NODE.node, "no answer", way=LeadsOn.REACH), f"ssh -F '/my ssh' -l ops -- {NODE.host} true", "again"),
        (StoppedBefore(NODE.node, "no root", way=LeadsOn.ROOT), f"ssh -F '/my ssh' -l ops -t -- {NODE.host} sudo -l", "again"),
        (StoppedBefore(NODE.node, "mute", way=LeadsOn.NODE), f"ssh -F '/my ssh' -l ops -- {NODE.host}", "again"),
        (StoppedBefore("/s/aaaa.json", "no room", shown_by=("df", "-h", "/s")), "df -h /s", "again"),
        (NothingApplicable("plan", "leaves out every node"), "anew", ""),
        (ApiUnreachable("s", "no answer"), READY, "again"),
        (Forbidden("s", "not allowed", code=403), "kubevouch apply --print-role", "again"),
    ],
)  # fmt: skip
def test_after_a_refusal(error: KubevouchError, command: str, then: str) -> None:
    assert next_after_refusal(error, PLAN, COMMANDS) == NextStep(command, then)


def test_a_pod_that_says_nothing_is_looked_for_at_its_node() -> None:
    by_pod = msgspec.structs.replace(PLAN, via="pod")
    error = StoppedBefore(NODE.node, "no answer", way=LeadsOn.REACH)
    found = next_after_refusal(error, by_pod, COMMANDS)
    assert found == NextStep(f"kubectl describe node {NODE.node}", "again")


# The commands of a plan.

IMAGE = "registry.example.com/kubevouch@sha256:" + "ab" * 32
PLAIN = msgspec.structs.replace(PLAN, ssh_config="", ssh_user="")


@pytest.mark.parametrize(
    ("plan", "there"),
    [
        (PLAIN, ""),
        (PLAN, "--ssh-config '/my ssh' --ssh-user ops"),
        (msgspec.structs.replace(PLAIN, ask_sudo_password=True), "--ask-sudo-password"),
        (msgspec.structs.replace(PLAIN, via="pod", pods=PodPlace("kube-system", IMAGE)), f"--via pod --image {IMAGE} --pod-namespace kube-system"),
    ],
)  # fmt: skip
def test_another_run_is_looked_at_by_the_same_way_to_the_nodes(plan: Plan, there: str) -> None:
    commands = commands_of(plan, "plan.json", NO_WORD, lambda run: run == "ffff")
    assert commands.look("eeee").command == f"{SEES} eeee {there}".rstrip()
    assert commands.look("ffff").command == f"{SEES} ffff", "its own plan goes there"
    via = [] if "--via" in there else ["--via", plan.via]
    assert commands.anew == ["kubevouch", "plan", "-o", "plan.json", *via, *split(there)]


def test_a_plan_is_carried_out_by_its_file_until_it_has_begun() -> None:
    asked = ("kubevouch", "apply", "./plan.json")
    for kept, expected in ((False, join(asked)), (True, RESUME)):
        commands = commands_of(PLAN, "plan.json", NO_WORD, {"aaaa": kept}.__getitem__, asked=asked)
        assert join(commands.again) == expected


def test_a_plan_of_some_nodes_is_made_anew_for_those_that_are_still_there() -> None:
    some = msgspec.structs.replace(PLAIN, only=("w1", "w2"))
    vouched = ("--addresses", "nodes.txt")
    both = commands_of(some, "plan.json", NO_WORD, lambda _: False, vouched=vouched).anew
    assert join(both).endswith("--via ssh --node w1 --node w2 --addresses nodes.txt")
    one = commands_of(some, "plan.json", NO_WORD, lambda _: False, gone={"w1"}).anew
    assert join(one).endswith("--via ssh --node w2")


# What is armed.


def test_an_armed_node_is_named_with_the_time_of_its_switch_and_both_ways_on() -> None:
    seen = recorded("healthy-worker", {"runs": [["eeee", "committed"], ["abcd", "armed", 100]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at)
    assert found == ArmedNode("abcd", "w1", seen.at + timedelta(seconds=100))
    said = what_is_left_armed([found], seen.at + timedelta(seconds=40), ["kubevouch", "apply", "p"])
    assert said.startswith("w1 may be armed by run abcd: ")
    assert f"undoes an unverified change in 60 s, at {found.due:%H:%M:%S} UTC, unless" in said
    assert "`kubevouch apply p`" in said
    assert "`kubevouch undo abcd`" in said


def test_a_record_that_does_not_say_when_its_switch_goes_off_has_the_longest_time() -> None:
    seen = recorded("healthy-worker", {"runs": [["abcd", "armed"]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at)
    assert found.due == seen.at + timedelta(seconds=RolloutTimeouts(LONGEST_GATES).switch)
    late = found.due + timedelta(seconds=9)
    said = what_is_left_armed(
        [found, ArmedNode("abcd", "w2", late + timedelta(seconds=7))], late, ["again"]
    )
    assert "; w2 may be armed by run abcd: " in said
    assert "in 7 s, at " in said
    assert "was due 9 s ago, at " in said
