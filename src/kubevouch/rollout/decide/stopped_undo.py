"""An undo that was stopped before it had put all its nodes back: by its log, and by the records on the nodes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from shlex import join

from kubevouch.rollout.decide.result import AS_BEFORE, NodeOutcome, RunResult
from kubevouch.rollout.decide.run_status import PUT_BACK, RunOnNode, Standing

_STILL_STANDS = (Standing.DONE, Standing.ARMED)
_NOT_BEGUN_THERE = (Standing.NONE, Standing.NOT_BEGUN, Standing.BARRED, Standing.UNKNOWN)


@dataclass(frozen=True)
class LoggedUndo:
    """One undo of a run, by the log. asked: the nodes that it was for by its own command line; empty for all, and the ConfigMap."""

    result: RunResult
    asked: tuple[str, ...]
    ended: datetime


@dataclass(frozen=True)
class StoppedUndo:
    """left: nodes that it has not put back, of so many that it was for. again: the command that goes on with it.

    config_map: it was to put that back, too, and has not seen that done.
    """

    run: str
    left: tuple[str, ...]
    of: int
    again: str
    config_map: bool = False

    def __str__(self) -> str:
        """For a person."""
        nodes = f"it has not put back {len(self.left)} of the {self.of} nodes that it was for"
        if not self.left:
            nodes = "the nodes that it was for are put back"
        unseen = ", and it has not seen the ConfigMap put back" if self.config_map else ""
        return f"undo of run {self.run}: {nodes}{unseen}"


def stopped_undo(
    statuses: Iterable[RunOnNode], undos: Sequence[LoggedUndo], *, has_config_map: bool
) -> StoppedUndo | None:
    """What is left of the undo of a run that was stopped, and perhaps gone on with; None if that was not so, or nothing is left.

    A node that an undo came to its end with by half, and that is armed, is left as well: who undid the run does not want it proven.
    statuses: of each node that was asked that run, its newest, or the one that is armed. undos: of that run, the newest last.
    A run that has begun since on a node that was put back is an answer to that: then nothing of the undo is gone on with.
    """
    if not undos:
        return None
    run, so_far, put_back = undos[-1].result.run, _so_far(undos), put_back_by(undos)
    statuses = tuple(statuses)
    if any(each.node in put_back and _has_a_later_run(each, run) for each in statuses):
        return None
    stands, told, armed = set(), set(), set()
    for each in statuses:
        never = (
            each.standing is Standing.NOT_BEGUN and each.run != run
        )  # and hides what stands there
        if each.standing is not Standing.UNKNOWN and not never:
            told.add(each.node)
        if each.run == run and each.standing in _STILL_STANDS and not each.later_run:
            stands.add(each.node)
            if each.standing is Standing.ARMED:
                armed.add(each.node)
    left = tuple(
        node
        for node in so_far.left | so_far.half
        if (node in stands or (node not in told and node not in put_back))
        and (node in so_far.left or node in armed)
    )
    nodes = so_far.nodes | dict.fromkeys(left)
    config_map = has_config_map and so_far.config_map
    own = {each.standing for each in statuses if each.run == run}
    only_config_map = not left and config_map and so_far.nodes.keys() <= put_back
    if not stands & set(left) and not (only_config_map and own & set(PUT_BACK)):
        return None
    whole = config_map or (so_far.whole and len(left) == len(nodes))
    again = join(["kubevouch", "undo", run, *([] if whole else ["--nodes", ",".join(left)])])
    return StoppedUndo(run, left, len(nodes), again, config_map)


def _has_a_later_run(seen: RunOnNode, run: str) -> bool:
    return bool(seen.later_run) if seen.run == run else seen.standing not in _NOT_BEGUN_THERE


@dataclass
class _SoFar:
    """nodes: that the stopped undo was for; left: of these, which none has come to its end with. whole: it was for all.

    half: nodes of which the last undo that came to its end with them did not know whether they are put back.

    config_map: it is not put back, or that was not seen.
    """

    nodes: dict[str, None] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)
    half: dict[str, None] = field(default_factory=dict)
    whole: bool = False
    config_map: bool = False


def _so_far(undos: Iterable[LoggedUndo]) -> _SoFar:
    """What the undos of a run have come to, one after the other: one of some nodes leaves what is left of the others."""
    found = _SoFar()
    for undo in undos:
        result = undo.result
        if not found.left and not found.config_map:
            found.nodes, found.whole = {}, False
        if not undo.asked:
            found.whole = True
            found.config_map = result.interrupted and not _has_ended_with_config_map(result)
        for each in result.nodes:
            found.nodes[each.node] = None
            found.half.pop(each.node, None)
            if result.interrupted and each.outcome not in AS_BEFORE:
                found.left[each.node] = None
            else:
                found.left.pop(each.node, None)
                if each.outcome is NodeOutcome.UNKNOWN:
                    found.half[each.node] = None
    return found


def put_back_by(undos: Iterable[LoggedUndo]) -> frozenset[str]:
    """The nodes that one of these has put back."""
    results = (node for undo in undos for node in undo.result.nodes)
    return frozenset(each.node for each in results if each.outcome is NodeOutcome.UNDONE)


def _has_ended_with_config_map(result: RunResult) -> bool:
    """It comes first: an undo that has come to a node has come to it before."""
    came_to_it = bool(result.config_map) or any(
        each.outcome is not NodeOutcome.NOT_PUT_BACK for each in result.nodes
    )
    return came_to_it and (not result.config_map_failed or result.config_map_settled)
