"""A run that was stopped before it had begun on every node of its plan, as the records on the nodes tell; and an undo that was. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import join

from kubevouch.rollout.decide.plan import ChangeKind, Plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult
from kubevouch.rollout.decide.run_status import RunOnNode, Standing

_PUT_BACK = (Standing.UNDONE, Standing.BARRED)
_AS_BEFORE = (NodeOutcome.UNDONE, NodeOutcome.DONE)
_FREE = (Standing.NONE, Standing.NOT_BEGUN, *_PUT_BACK)
"""How a node stands on which another run than the newest one there could begin."""


@dataclass(frozen=True)
class StoppedRun:
    """left: on how many nodes of its plan it has not begun, of so many that it would change."""

    run: str
    left: int
    of: int

    def __str__(self) -> str:
        """For a person."""
        return f"run {self.run}: it has not begun on {self.left} of the {self.of} nodes that it was to change"


def stopped_run(statuses: Iterable[RunOnNode], plans: Iterable[Plan]) -> StoppedRun | None:
    """The newest of these plans whose run is done on some nodes and has not begun on others; None if no plan is like that.

    statuses: of each node its newest run. A run that was undone somewhere does not count: it does not go on by itself.
    """
    rows = {each.node: each for each in statuses}
    for plan in sorted(plans, key=lambda each: each.made_at, reverse=True):
        own = {each.standing for each in rows.values() if each.run == plan.run}
        if Standing.DONE not in own or own & set(_PUT_BACK):
            continue
        changes = [each.node for each in plan.nodes if each.change is ChangeKind.BOOTSTRAP]
        left = [node for node in changes if node in rows and rows[node].standing in _FREE]
        if left:
            return StoppedRun(plan.run, len(left), len(changes))
    return None


_STILL_STANDS = (Standing.DONE, Standing.ARMED)


@dataclass(frozen=True)
class StoppedUndo:
    """left: nodes that it has not put back, of so many that it was for. again: the command that goes on with it."""

    run: str
    left: tuple[str, ...]
    of: int
    again: str

    def __str__(self) -> str:
        """For a person."""
        return f"undo of run {self.run}: it has not put back {len(self.left)} of the {self.of} nodes that it was for"


def stopped_undo(
    statuses: Iterable[RunOnNode], ended: RunResult, asked: tuple[str, ...]
) -> StoppedUndo | None:
    """What is left of an undo that was stopped with this result; None if that was not so, or nothing is left of it.

    statuses: of each node its newest run, or the one that is armed. asked: the nodes that it was for by its own command line;
    empty for all, and the ConfigMap.
    """
    if not ended.interrupted:
        return None
    standings = {each.node: each.standing for each in statuses if each.run == ended.run}
    silent = {each.node for each in statuses if each.standing is Standing.UNKNOWN}
    not_back = [each.node for each in ended.nodes if each.outcome not in _AS_BEFORE]
    left = tuple(
        each for each in not_back if each in silent or standings.get(each) in _STILL_STANDS
    )
    if not any(standings.get(each) in _STILL_STANDS for each in left):
        return None
    config_map = ended.config_map_failed and not ended.config_map_settled
    whole = not asked and (config_map or len(left) == len(ended.nodes))
    nodes = [] if whole else ["--nodes", ",".join(left)]
    again = join(["kubevouch", "undo", ended.run, *nodes])
    return StoppedUndo(ended.run, left, len(ended.nodes), again)
