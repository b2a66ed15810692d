"""An undo that was stopped in order has given its Lease back: what is left of it is known by its own log, and by the nodes."""

import pytest

from kubevouch.rollout.decide.next_for_status import next_for_status
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.stopped_run import StoppedUndo, stopped_undo

NAMES = ("w1", "w2", "w3")


def came_to(*outcomes: NodeOutcome, interrupted: bool = True, failed: bool = False) -> RunResult:
    nodes = tuple(NodeResult(*each) for each in zip(NAMES, outcomes, strict=False))
    return RunResult("aaaa", nodes, "", interrupted=interrupted, config_map_failed=failed)


def rows(*standings: Standing, run: str = "aaaa") -> list[RunOnNode]:
    return [
        RunOnNode(node, "" if each is Standing.UNKNOWN else run, each)
        for node, each in zip(NAMES, standings, strict=True)
    ]


UNDONE, CUT, UNTOUCHED = NodeOutcome.UNDONE, NodeOutcome.UNKNOWN, NodeOutcome.UNTOUCHED
ONE_BACK = came_to(UNDONE, UNTOUCHED, UNTOUCHED)
AS_THEN = rows(Standing.UNDONE, Standing.DONE, Standing.DONE)


@pytest.mark.parametrize(
    ("ended", "asked", "seen", "again"),
    [
        (ONE_BACK, (), AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        (ONE_BACK, NAMES, AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        # Stopped at once: what has begun on the node in hand has gone on there by itself, or is armed.
        (came_to(UNDONE, CUT, UNTOUCHED), (), rows(Standing.UNDONE, Standing.UNDONE, Standing.DONE), "kubevouch undo aaaa --nodes w3"),
        (came_to(UNDONE, CUT, UNTOUCHED), (), rows(Standing.UNDONE, Standing.ARMED, Standing.DONE), "kubevouch undo aaaa --nodes w2,w3"),
        # No undo of some nodes puts the ConfigMap back.
        (came_to(UNDONE, UNTOUCHED, UNTOUCHED, failed=True), (), AS_THEN, "kubevouch undo aaaa"),
        (came_to(UNDONE, UNTOUCHED, UNTOUCHED, failed=True), NAMES, AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        (came_to(UNTOUCHED, UNTOUCHED, UNTOUCHED), (), rows(*[Standing.DONE] * 3), "kubevouch undo aaaa"),
        (ONE_BACK, (), rows(Standing.UNDONE, Standing.UNKNOWN, Standing.DONE), "kubevouch undo aaaa --nodes w2,w3"),
        # It was asked for this one node only, and has come to its end; so the others are meant to stay.
        (came_to(UNDONE, interrupted=False), ("w1",), AS_THEN, ""),
        (came_to(UNDONE, UNTOUCHED, UNTOUCHED, interrupted=False), (), AS_THEN, ""),
        # Put back from another machine since; changed by another run since.
        (ONE_BACK, (), rows(*[Standing.UNDONE] * 3), ""),
        (ONE_BACK, (), rows(*[Standing.DONE] * 3, run="bbbb"), ""),
        (ONE_BACK, (), rows(Standing.UNDONE, Standing.UNKNOWN, Standing.UNKNOWN), ""),
    ],
)  # fmt: skip
def test_what_is_left_of_it_is_gone_on_with(
    ended: RunResult, asked: tuple[str, ...], seen: list[RunOnNode], again: str
) -> None:
    stopped = stopped_undo(seen, ended, asked)
    assert (stopped.again if stopped else "") == again


LEFT = StoppedUndo("aaaa", ("w2", "w3"), 3, "kubevouch undo aaaa --nodes w2,w3")
ARMED_BY_ANOTHER = [*AS_THEN[:2], RunOnNode("w3", "bbbb", Standing.ARMED)]


def test_it_is_said_of_how_many_nodes_and_comes_next_before_a_new_plan() -> None:
    said = "undo of run aaaa: it has not put back 2 of the 3 nodes that it was for"
    assert str(LEFT) == said
    for run in ("", "aaaa"):
        command, note = next_for_status(AS_THEN, run, None, frozenset({"aaaa"}), undo=LEFT)
        assert command == LEFT.again
        assert note == "what it has put back stays so"
    command, _ = next_for_status(ARMED_BY_ANOTHER, "", None, frozenset({"bbbb"}), undo=LEFT)
    assert command == "kubevouch fix --resume bbbb", "its switch is set"
