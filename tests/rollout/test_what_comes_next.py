"""Each ending of a run names the command that helps from there; a node that is armed is named with its switch's time."""

from datetime import timedelta

import pytest

from kubevouch.rollout.decide.armed import ArmedNode, found_armed, what_is_left_armed
from kubevouch.rollout.decide.next_step import Commands, next_after, next_for_left_out
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from tests.rollout.recorded import recorded

DONE, UNDONE, STOPPED, UNKNOWN, UNTOUCHED = NodeOutcome
COMMANDS = Commands("again", "anew", lambda run: "go on with ffff" if run == "ffff" else "")
ILL = LeftOut("w9", "connection timed out")
NOT_READY = LeftOut("w9", "it is NotReady", seen_outside=True)
ARMED = LeftOut("w9", "run ffff has changed it", armed_run="ffff")
ARMED_ELSEWHERE = LeftOut("w9", "run eeee has changed it", armed_run="eeee")
WELL = LeftOut("w9", "nothing to do", is_well=True, armed_run="ffff", seen_outside=True)


def ended(*outcomes: NodeOutcome, armed: bool = False, **other: object) -> RunResult:
    nodes = tuple(NodeResult(f"n{i}", each, armed=armed) for i, each in enumerate(outcomes))
    return RunResult("r", nodes, "", **other)  # type: ignore[arg-type]


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
        (ended(DONE, UNDONE, UNTOUCHED), "kubevouch doctor", "anew"),
        (ended(UNDONE, UNTOUCHED, interrupted=True), "kubevouch doctor", "anew"),
        (ended(DONE, UNTOUCHED, interrupted=True), "again", ""),
        (ended(UNKNOWN, UNTOUCHED, armed=True), "again", ""),
        (ended(STOPPED, armed=True), "again", ""),
        (ended(UNKNOWN), "anew", ""),
    ],
)
def test_after_a_run(result: RunResult, command: str, then: str) -> None:
    step = next_after(result, COMMANDS)
    assert (step.command, step.then) == (command, then)


@pytest.mark.parametrize(
    ("left_out", "command"),
    [
        ([ILL], "anew"),
        ([NOT_READY, ILL], "kubevouch doctor"),
        ([NOT_READY, ARMED], "go on with ffff"),
        ([ARMED_ELSEWHERE], "anew"),
        ([WELL, ILL], "anew"),
    ],
)
def test_after_a_plan_without_anything_to_do(left_out: list[LeftOut], command: str) -> None:
    assert next_for_left_out(left_out, COMMANDS).command == command


def test_an_armed_node_is_named_with_the_time_of_its_switch_and_both_ways_on() -> None:
    seen = recorded("healthy-worker", {"runs": [["eeee", "committed"], ["abcd", "armed", 100]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at, 240)
    assert found == ArmedNode("abcd", "w1", seen.at + timedelta(seconds=100))
    said = what_is_left_armed(found, seen.at + timedelta(seconds=40), "kubevouch fix --apply p")
    assert said.startswith("w1 is armed by run abcd: ")
    assert f"puts it back at {found.fires:%H:%M:%S} UTC at the latest, in 60 s" in said
    assert "`kubevouch fix --apply p`" in said
    assert "`kubevouch undo abcd`" in said


def test_a_record_that_does_not_say_when_its_switch_goes_off_has_the_longest_time() -> None:
    seen = recorded("healthy-worker", {"runs": [["abcd", "armed"]]})
    found = found_armed("w1", "abcd", seen.survey, seen.at, 240)
    assert found.fires == seen.at + timedelta(seconds=240)
    late = found.fires + timedelta(seconds=9)
    unsure = ArmedNode("abcd", "w1", found.fires, sure=False)
    said = what_is_left_armed(unsure, late, "again")
    assert said.startswith("w1 may be armed by run abcd: ")
    assert "in 0 s" in said
