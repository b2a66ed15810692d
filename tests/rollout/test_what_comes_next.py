"""Each ending of a run names the command that helps from there; a node that is armed is named with its switch's time."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import ApiUnreachable, UnreachableKind
from kubevouch.rollout.decide.armed import (
    ArmedNode,
    as_of_now,
    found_armed,
    what_is_left_armed,
)
from kubevouch.rollout.decide.need import need_of
from kubevouch.rollout.decide.next_step import (
    Commands,
    NextStep,
    beyond_the_plan,
    next_after,
    next_after_refusal,
    next_after_undo,
    next_for_left_out,
)
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.errors import NothingApplicable, NotTheHolder, StoppedBefore, WayOn
from kubevouch.system_clock import SystemClock
from tests.rollout.recorded import plan_of, planned, recorded

DONE, UNDONE, STOPPED = NodeOutcome.DONE, NodeOutcome.UNDONE, NodeOutcome.STOPPED
UNKNOWN, UNTOUCHED = NodeOutcome.UNKNOWN, NodeOutcome.UNTOUCHED
SKIPPED, DOWN = NodeOutcome.SKIPPED, NodeOutcome.DOWN
COMMANDS = Commands("again", "anew", lambda run: "go on with ffff" if run == "ffff" else "")
ILL = LeftOut("w9", "connection timed out")
NOT_READY = LeftOut("w9", "it is NotReady", seen_outside=True)
ARMED = LeftOut("w9", "run ffff has changed it", armed_run="ffff")
ARMED_ELSEWHERE = LeftOut("w9", "run eeee has changed it", armed_run="eeee")
WELL = LeftOut("w9", "nothing to do", is_well=True, armed_run="ffff", seen_outside=True)


def ended(*outcomes: NodeOutcome, armed: bool = False, **other: object) -> RunResult:
    nodes = tuple(NodeResult(f"n{i}", each, armed=armed) for i, each in enumerate(outcomes))
    return RunResult("r", nodes, "", **other)  # type: ignore[arg-type]


HELD = RunResult("r", (NodeResult("n1", STOPPED, "csr-1 is held: ...", unapproved=True),), "")
"""A new plan alone would lead to the same end: doctor says what the CSR is, and what may be done about it."""


def test_a_run_of_some_nodes_says_that_the_others_were_not_looked_at() -> None:
    whole = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP))
    some = msgspec.structs.replace(whole, only=("n0",))
    assert "`kubevouch verify` looks at them, too" in beyond_the_plan(some, ended(DONE))
    assert beyond_the_plan(whole, ended(DONE)) == ""
    assert beyond_the_plan(some, ended(STOPPED)) == ""


@pytest.mark.parametrize(
    ("result", "command", "then"),
    [
        (ended(DONE, DONE), "kubevouch verify --wait 2m", ""),
        (ended(), "kubevouch verify --wait 2m", ""),
        (ended(DONE, left_out=(ILL,)), "anew", ""),
        (ended(DONE, left_out=(ILL, NOT_READY)), "kubevouch doctor", "anew"),
        (ended(DONE, left_out=(ILL, ARMED)), "go on with ffff", ""),
        (ended(DONE, config_map_failed=True), "anew", ""),
        (ended(DONE, STOPPED, UNTOUCHED), "anew", ""),
        (HELD, "kubevouch doctor", "anew"),
        (ended(DONE, UNDONE, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(UNDONE, UNTOUCHED, interrupted=True), "kubevouch doctor", "anew"),
        (ended(DONE, UNTOUCHED, interrupted=True), "again", ""),
        (ended(UNKNOWN, UNTOUCHED, armed=True), "again", ""),
        (ended(STOPPED, armed=True), "again", ""),
        (ended(UNKNOWN), "anew", ""),
        (ended(DONE, SKIPPED), "anew", ""),
        (ended(DOWN, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(DOWN, UNTOUCHED, armed=True), "again", ""),
    ],
)
def test_after_a_run(result: RunResult, command: str, then: str) -> None:
    step = next_after(result, COMMANDS)
    assert (step.command, step.then) == (command, then)


def left(outcome: NodeOutcome, *, settled: bool = True, by: str = "") -> NodeResult:
    return NodeResult("n9", outcome, settled=settled, later_run=by)


@pytest.mark.parametrize(
    ("others", "command"),
    [
        ([], "kubevouch doctor"),
        ([left(UNKNOWN, settled=False)], "again"),
        ([left(STOPPED, by="ffff"), left(NodeOutcome.NOT_PUT_BACK, settled=False)], "again"),
        ([left(STOPPED, by="ffff")], "kubevouch undo ffff --nodes n9"),
        ([left(UNKNOWN), left(STOPPED, by="ffff")], "kubevouch undo ffff --nodes n9"),
        ([left(UNKNOWN, by="ffff")] * 2, "kubevouch undo ffff --nodes n9,n9"),
        ([left(STOPPED, by="eeee")], "kubevouch status eeee"),
        ([left(STOPPED, by="; reboot")], "kubevouch status"),
        ([left(UNKNOWN)], "kubevouch status abcd"),
    ],
)
def test_after_an_undo_the_same_comes_next_only_while_it_may_come_to_something_else(
    others: list[NodeResult], command: str
) -> None:
    as_before = (NodeResult("n1", UNDONE), NodeResult("n2", NodeOutcome.NOT_CHANGED))
    result = RunResult("abcd", (*as_before, *others), "")
    assert next_after_undo(result, "again", lambda run: run == "ffff") == NextStep(command)


def test_after_an_undo_that_left_the_config_map_to_others_nothing_is_tried_again() -> None:
    result = RunResult("abcd", (), "", config_map_failed=True, config_map_settled=True)
    assert next_after_undo(result, "again", lambda _: True) == NextStep("kubevouch doctor")
    result = RunResult("abcd", (), "", config_map_failed=True)
    assert next_after_undo(result, "again", lambda _: True) == NextStep("again")


def test_after_an_undo_that_may_not_write_the_config_map_the_role_comes_before_the_same_again() -> (
    None
):
    result = RunResult("abcd", (), "", config_map_failed=True, config_map_forbidden=True)
    expected = NextStep("kubevouch apply --print-role", "again")
    assert next_after_undo(result, "again", lambda _: True) == expected


@pytest.mark.parametrize(
    ("left_out", "command"),
    [
        ([ILL], "anew"),
        ([NOT_READY, ILL], "kubevouch doctor"),
        ([NOT_READY, ARMED], "go on with ffff"),
        ([ARMED_ELSEWHERE], "kubevouch status eeee"),
        ([WELL, ILL], "anew"),
    ],
)
def test_after_a_plan_without_anything_to_do(left_out: list[LeftOut], command: str) -> None:
    assert next_for_left_out(left_out, COMMANDS).command == command


def test_a_node_that_was_left_out_for_a_switch_that_has_gone_off_since_leads_to_a_new_plan() -> (
    None
):
    """Its run does not go on there any more. Where its record does not say until when, nothing is known."""
    seen = recorded("healthy-worker", {"runs": [["ffff", "restarted", 100]]})
    need = need_of(seen.facts())
    fires = seen.at + timedelta(seconds=100)
    assert (need.armed_run, need.armed_until) == ("ffff", fires)
    row = msgspec.structs.replace(ARMED, armed_until=fires)
    for later, leads_to in ((0, "go on with ffff"), (159, "go on with ffff"), (160, "anew")):
        told = as_of_now([row], seen.at + timedelta(seconds=later))
        assert next_for_left_out(told, COMMANDS).command == leads_to, later
    assert as_of_now([ARMED], seen.at + timedelta(days=9)) == (ARMED,)


def test_a_plan_may_say_that_a_switch_goes_off_at_the_end_of_all_time() -> None:
    row = msgspec.structs.replace(ARMED, armed_until=datetime.max.replace(tzinfo=UTC))
    assert as_of_now([row], SystemClock().now()) == (row,)


PLAN = msgspec.structs.replace(
    plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP), run="aaaa"),
    ssh_config="/etc/my ssh",
    ssh_user="ops",
)
[NODE] = PLAN.nodes
UNDO = f"kubevouch undo aaaa --nodes {NODE.node}"


@pytest.mark.parametrize(
    ("error", "armed", "command", "then"),
    [
        # Where the run stands that holds the Lease, and not this one, which may never have begun.
        (NotTheHolder("Lease", "another run is under way", run="bbbb"), {"w1"}, "kubevouch status bbbb", ""),
        (NotTheHolder("Lease", "another run has begun"), (), "kubevouch status", ""),
        (NotTheHolder("Lease", "another run", run="a;touch b"), (), "kubevouch status", ""),
        (StoppedBefore("w1", "undone on it"), (), "anew", ""),
        # A new plan leaves out what is armed: without the first step it would lead back to this run.
        (StoppedBefore("w2", "edited"), {NODE.node}, UNDO, "anew"),
        (StoppedBefore("w2", "edited", begun=("w3", "w1")), {"w1"}, "kubevouch undo aaaa --nodes w1,w3", "anew"),
        (StoppedBefore(NODE.node, "another file", way=WayOn.OTHER_RUN, run="aaaa"), (), UNDO, "anew"),
        (StoppedBefore("w1", "armed by", way=WayOn.OTHER_RUN, run="ffff"), {"w1"}, "go on with ffff", ""),
        (StoppedBefore("w1", "armed by", way=WayOn.OTHER_RUN, run="eeee"), (), "kubevouch status eeee", ""),
        (StoppedBefore("w1", "armed by", way=WayOn.OTHER_RUN, run="a;touch b"), (), "kubevouch status", ""),
        (StoppedBefore("context c", "another", way=WayOn.ITS_CLUSTER), {"w1"}, "there", ""),
        (StoppedBefore("server", "not allowed", way=WayOn.RIGHTS), (), "kubevouch apply --print-role", ""),
        (StoppedBefore("w1", "cannot be dialled", way=WayOn.LOOK), (), "kubevouch doctor", ""),
        (StoppedBefore(NODE.node, "no answer", way=WayOn.REACH), (), f"ssh -F '/etc/my ssh' -l ops -- {NODE.host} true", ""),
        (StoppedBefore(NODE.node, "no root", way=WayOn.ROOT), (), f"ssh -F '/etc/my ssh' -l ops -t -- {NODE.host} sudo -l", "again"),
        (StoppedBefore("/s/aaaa.json", "no room", way=WayOn.THIS_MACHINE, shown_by="df -h /s"), (), "df -h /s", "again"),
        (NothingApplicable("plan", "leaves out every node"), (), "anew", ""),
        (ApiUnreachable("s", "no answer", kind=UnreachableKind.TIMEOUT), {"w1"}, "kubectl get --raw /readyz", "again"),
    ],
)  # fmt: skip
def test_after_a_refusal(
    error: KubevouchError, armed: Collection[str], command: str, then: str
) -> None:
    step = next_after_refusal(error, PLAN, COMMANDS, "there", armed)
    assert step is not None
    assert (step.command, step.then) == (command, then)


def test_a_pod_that_says_nothing_is_looked_for_at_its_node() -> None:
    by_pod = msgspec.structs.replace(PLAN, via="pod")
    error = StoppedBefore(NODE.node, "no answer", way=WayOn.REACH)
    step = next_after_refusal(error, by_pod, COMMANDS, "there", ())
    assert step == NextStep(f"kubectl describe node {NODE.node}")


def test_an_armed_node_is_named_with_the_time_of_its_switch_and_both_ways_on() -> None:
    seen = recorded("healthy-worker", {"runs": [["eeee", "committed"], ["abcd", "armed", 100]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at, 240)
    assert found == ArmedNode("abcd", "w1", seen.at + timedelta(seconds=100))
    said = what_is_left_armed([found], seen.at + timedelta(seconds=40), "kubevouch apply p")
    assert said.startswith("w1 is armed by run abcd: ")
    assert f"puts it back at {found.fires:%H:%M:%S} UTC at the latest, in 60 s" in said
    assert "`kubevouch apply p`" in said
    assert "`kubevouch undo abcd`" in said


def test_a_record_that_does_not_say_when_its_switch_goes_off_has_the_longest_time() -> None:
    seen = recorded("healthy-worker", {"runs": [["abcd", "armed"]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at, 240)
    assert found.fires == seen.at + timedelta(seconds=240)
    late = found.fires + timedelta(seconds=9)
    unsure = ArmedNode("abcd", "w1", found.fires, sure=False)
    other = ArmedNode("abcd", "w2", late + timedelta(seconds=7))
    said = what_is_left_armed([unsure, other], late, "again")
    assert said.startswith("w1 may be armed by run abcd: ")
    assert "; w2 is armed by run abcd: " in said
    assert "in 7 s; to go on" in said
    assert "in 0 s" in said
