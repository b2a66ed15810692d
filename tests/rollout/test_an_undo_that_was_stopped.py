"""An undo that was stopped in order has given its Lease back: what is left of it is known by its own log, and by the nodes."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest

from kubevouch.rollout.decide.next_for_status import next_for_status
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.stopped_undo import LoggedUndo, StoppedUndo, stopped_undo

NAMES = ("w1", "w2", "w3")


def came_to(*outcomes: NodeOutcome, interrupted: bool = True, failed: bool = False) -> RunResult:
    nodes = tuple(NodeResult(*each) for each in zip(NAMES, outcomes, strict=False))
    return RunResult("aaaa", nodes, "", interrupted=interrupted, config_map_failed=failed)


def rows(*standings: Standing, run: str = "aaaa") -> list[RunOnNode]:
    return [
        RunOnNode(node, "" if each is Standing.UNKNOWN else run, each)
        for node, each in zip(NAMES, standings, strict=False)
    ]


UNDONE, CUT, LEFT = NodeOutcome.UNDONE, NodeOutcome.UNKNOWN, NodeOutcome.NOT_PUT_BACK
ONE_BACK = came_to(UNDONE, LEFT, LEFT)
AS_THEN = rows(Standing.UNDONE, Standing.DONE, Standing.DONE)


@pytest.mark.parametrize(
    ("ended", "asked", "seen", "again"),
    [
        (ONE_BACK, (), AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        (ONE_BACK, NAMES, AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        # Stopped at once: what has begun on the node in hand has gone on there by itself, or is armed.
        (came_to(UNDONE, CUT, LEFT), (), rows(Standing.UNDONE, Standing.UNDONE, Standing.DONE), "kubevouch undo aaaa --nodes w3"),
        (came_to(UNDONE, CUT, LEFT), (), rows(Standing.UNDONE, Standing.ARMED, Standing.DONE), "kubevouch undo aaaa --nodes w2,w3"),
        # No undo of some nodes puts the ConfigMap back.
        (came_to(UNDONE, LEFT, LEFT, failed=True), (), AS_THEN, "kubevouch undo aaaa"),
        (came_to(UNDONE, LEFT, LEFT, failed=True), NAMES, AS_THEN, "kubevouch undo aaaa --nodes w2,w3"),
        (came_to(LEFT, LEFT, LEFT), (), rows(*[Standing.DONE] * 3), "kubevouch undo aaaa"),
        (ONE_BACK, (), rows(Standing.UNDONE, Standing.UNKNOWN, Standing.DONE), "kubevouch undo aaaa --nodes w2,w3"),
        # It was asked for this one node only, and has come to its end; so the others are meant to stay.
        (came_to(UNDONE, interrupted=False), ("w1",), AS_THEN, ""),
        (came_to(UNDONE, LEFT, LEFT, interrupted=False), (), AS_THEN, ""),
        # Put back from another machine since; changed by another run since.
        (ONE_BACK, (), rows(*[Standing.UNDONE] * 3), ""),
        (ONE_BACK, (), rows(*[Standing.DONE] * 3, run="bbbb"), ""),
        (ONE_BACK, (), rows(Standing.UNDONE, Standing.UNKNOWN, Standing.UNKNOWN), ""),
    ],
)  # fmt: skip
def test_what_is_left_of_it_is_gone_on_with(
    ended: RunResult, asked: tuple[str, ...], seen: list[RunOnNode], again: str
) -> None:
    stopped = left_of(seen, (ended, asked))
    assert (stopped.again if stopped else "") == again


def left_of(
    seen: Iterable[RunOnNode],
    *undos: tuple[RunResult, tuple[str, ...]],
    has_config_map: bool = True,
) -> StoppedUndo | None:
    logged = [LoggedUndo(*each, ended=datetime(2026, 11, 29, tzinfo=UTC)) for each in undos]
    return stopped_undo(seen, logged, has_config_map=has_config_map)


@pytest.mark.parametrize(
    ("now", "again"),
    [(Standing.ARMED, "kubevouch undo aaaa --nodes w2"), (Standing.UNDONE, ""), (Standing.DONE, ""), (Standing.UNKNOWN, "")],
)  # fmt: skip
def test_what_an_undo_has_put_back_by_half_is_undone_next_and_not_gone_on_with(
    now: Standing, again: str
) -> None:
    """Its record looks as that of a run that is not proven: to go on with the run would bring back what was taken away."""
    half = (came_to(UNDONE, CUT, UNDONE, interrupted=False), ())
    seen = rows(Standing.UNDONE, now, Standing.UNDONE)
    stopped = left_of(seen, half)
    assert (stopped.again if stopped else "") == again
    if stopped:
        command, _ = next_for_status(seen, "", None, frozenset({"aaaa"}), undo=stopped)
        assert command == again
    of_w3 = (RunResult("aaaa", (NodeResult("w3", UNDONE),), ""), ("w3",))
    assert (left_of(seen, half, of_w3) is not None) == bool(again), "another node's undo since"
    of_w2 = (RunResult("aaaa", (NodeResult("w2", UNDONE),), ""), ("w2",))
    assert left_of(seen, half, of_w2) is None


NEW_THERE = [*rows(Standing.DONE, run="bbbb"), *AS_THEN[1:]]
ASKED_BY_NAME = [RunOnNode("w1", "aaaa", Standing.UNDONE, later_run="bbbb"), *AS_THEN[1:]]


@pytest.mark.parametrize(
    "seen",
    [
        NEW_THERE,
        ASKED_BY_NAME,
        [*rows(Standing.UNDONE, run="bbbb"), *AS_THEN[1:]],  # and was put back itself
        [*rows(Standing.ARMED, run="bbbb"), *AS_THEN[1:]],
    ],
)
def test_once_another_run_has_begun_on_a_node_that_it_has_put_back_it_does_not_come_next(
    seen: list[RunOnNode],
) -> None:
    """Who has applied a new plan there wants what the undo took away; the nodes that are left go with it."""
    assert left_of(AS_THEN, (ONE_BACK, ())) is not None
    assert left_of(seen, (ONE_BACK, ())) is None


NEVER_BEGAN = [
    RunOnNode("w1", "bbbb", Standing.NOT_BEGUN),
    AS_THEN[1],
    RunOnNode("w3", "bbbb", Standing.NOT_BEGUN),
]


def test_another_run_that_was_cut_off_before_it_changed_anything_there_is_no_answer_to_it() -> None:
    stopped = left_of(NEVER_BEGAN, (ONE_BACK, ()))
    assert stopped
    assert stopped.again == "kubevouch undo aaaa --nodes w2,w3"


def test_a_later_run_on_a_node_that_is_left_takes_that_node_away_only() -> None:
    seen = [*AS_THEN[:2], RunOnNode("w3", "aaaa", Standing.DONE, later_run="bbbb")]
    stopped = left_of(seen, (ONE_BACK, ()))
    assert stopped
    assert stopped.again == "kubevouch undo aaaa --nodes w2"


ONLY_W1 = (RunResult("aaaa", (NodeResult("w1", UNDONE),), ""), ("w1",))
AT_ONCE = (came_to(LEFT, LEFT), ())
TWO = rows(Standing.UNDONE, Standing.DONE)


def test_an_undo_of_all_that_has_not_come_to_the_config_map_goes_on_with_all() -> None:
    """The undo of one node before it does not make the nodes that are left all there is to do."""
    stopped = left_of(TWO, ONLY_W1, AT_ONCE)
    assert stopped
    assert (stopped.again, stopped.left) == ("kubevouch undo aaaa", ("w2",))
    assert str(stopped) == (
        "undo of run aaaa: it has not put back 1 of the 2 nodes that it was for, "
        "and it has not seen the ConfigMap put back"
    )
    put_back = msgspec.structs.replace(AT_ONCE[0], config_map="ConfigMap kubelet-config put back")
    for undos, planned in (([ONLY_W1, AT_ONCE], False), ([ONLY_W1, (put_back, ())], True)):
        stopped = left_of(TWO, *undos, has_config_map=planned)
        assert stopped
        assert stopped.again == "kubevouch undo aaaa --nodes w2"


def test_where_only_the_config_map_is_left_that_is_gone_on_with() -> None:
    both = (came_to(UNDONE, UNDONE, interrupted=False), ("w1", "w2"))
    as_then = rows(Standing.UNDONE, Standing.UNDONE)
    stopped = left_of(as_then, both, AT_ONCE)
    assert stopped
    assert (stopped.again, stopped.left) == ("kubevouch undo aaaa", ())
    assert "the nodes that it was for are put back, and it has not seen the" in str(stopped)
    assert left_of(as_then, both, AT_ONCE, has_config_map=False) is None
    assert left_of(as_then, AT_ONCE) is None, "they were put back from elsewhere"


def test_what_is_left_of_it_is_judged_over_all_undos_of_the_run_and_not_by_the_last() -> None:
    """A status of one node forgets no other; neither does an undo of that node."""
    [_, _, asked] = AS_THEN
    stopped = left_of([asked], (ONE_BACK, ()))
    assert stopped
    assert (stopped.again, stopped.of) == ("kubevouch undo aaaa --nodes w2,w3", 3)
    of_w3 = (RunResult("aaaa", (NodeResult("w3", UNDONE),), ""), ("w3",))
    seen = rows(Standing.UNDONE, Standing.DONE, Standing.UNDONE)
    stopped = left_of(seen, (ONE_BACK, ()), of_w3)
    assert stopped
    assert (stopped.again, stopped.of) == ("kubevouch undo aaaa --nodes w2", 3)
    to_its_end = (came_to(UNDONE, NodeOutcome.STOPPED, UNDONE, interrupted=False), ())
    assert left_of(seen, (ONE_BACK, ()), to_its_end) is None, "it has told what is left itself"


TWO_LEFT = StoppedUndo("aaaa", ("w2", "w3"), 3, "kubevouch undo aaaa --nodes w2,w3")
ARMED_BY_ANOTHER = [*AS_THEN[:2], RunOnNode("w3", "bbbb", Standing.ARMED)]


def test_it_is_said_of_how_many_nodes_and_comes_next_before_a_new_plan() -> None:
    said = "undo of run aaaa: it has not put back 2 of the 3 nodes that it was for"
    assert str(TWO_LEFT) == said
    for run in ("", "aaaa"):
        command, note = next_for_status(AS_THEN, run, None, frozenset({"aaaa"}), undo=TWO_LEFT)
        assert command == TWO_LEFT.again
        assert note == "what it has put back stays so"
    command, _ = next_for_status(ARMED_BY_ANOTHER, "", None, frozenset({"bbbb"}), undo=TWO_LEFT)
    assert command == "kubevouch resume bbbb", "its switch is set"
