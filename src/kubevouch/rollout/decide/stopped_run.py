"""A run that was stopped before it had begun on every node of its plan, as the records on the nodes tell. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubevouch.rollout.decide.plan import ChangeKind, Plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult
from kubevouch.rollout.decide.run_status import PUT_BACK, RunOnNode, Standing

_FREE = (Standing.NONE, Standing.NOT_BEGUN, *PUT_BACK)
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

    statuses: of each node its newest run. A run that was undone somewhere does not count, whatever has begun there since: it does
    not go on by itself.
    """
    rows = {each.node: each for each in statuses}
    for plan in sorted(plans, key=lambda each: each.made_at, reverse=True):
        own = {each.standing for each in rows.values() if each.run == plan.run}
        put_back = any(plan.run in each.put_back for each in rows.values())
        if Standing.DONE not in own or put_back or own & set(PUT_BACK):
            continue
        changes = [each.node for each in plan.nodes if each.change is ChangeKind.BOOTSTRAP]
        left = [node for node in changes if node in rows and rows[node].standing in _FREE]
        if left:
            return StoppedRun(plan.run, len(left), len(changes))
    return None


def stopped_by_result(result: RunResult) -> StoppedRun | None:
    """The run that was stopped, by what it came to here in the end: where no node can be asked whether that is so still. None if it has no way on."""
    outcomes = [each.outcome for each in result.nodes]
    left = outcomes.count(NodeOutcome.UNTOUCHED)
    goes_on = {*outcomes} <= {NodeOutcome.DONE, NodeOutcome.UNTOUCHED}
    if not (result.interrupted and left and goes_on):
        return None
    return StoppedRun(result.run, left, len(outcomes))
