"""The attempts at a run, by its log on this machine: each carried it out, or undid it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.stopped_undo import LoggedUndo

_NOT_BEGUN = (NodeOutcome.UNTOUCHED, NodeOutcome.STOPPED, NodeOutcome.SKIPPED)
_NO_END = {
    True: "is under way on this machine",
    False: "was cut off",
    None: "has begun, and its log has no end: it is under way, or was cut off",
}


@dataclass(frozen=True)
class LoggedAttempt:
    """One process, by the lines that it has written.

    asked: of an undo, the nodes that it was for by its own command line; empty for all. ended: None where the log has no end of
    it. result: None where it ended by an error, or not at all. had_nodes: it had a node in hand.
    """

    undoes: bool
    asked: tuple[str, ...]
    began: datetime
    ended: datetime | None
    result: RunResult | None
    error: str
    had_nodes: bool

    @property
    def changed_nothing(self) -> bool:
        """It has ended before it had changed anything: who began it has decided nothing by that."""
        if self.ended is None or (self.result is None and self.had_nodes):
            return False
        return self.result is None or (
            not self.result.config_map
            and all(each.outcome in _NOT_BEGUN and not each.csrs for each in self.result.nodes)
        )


def undos_among(attempts: Iterable[LoggedAttempt]) -> tuple[LoggedUndo, ...]:
    """The undos of the run since it was last carried out, the newest last; none if the last has not ended. attempts: the newest first."""
    undos: list[LoggedUndo] = []
    last = True
    for each in attempts:
        if not each.undoes and each.changed_nothing:
            continue
        if not each.undoes or (last and each.ended is None):
            break
        last = False
        if each.result is not None and each.ended is not None:
            undos.append(LoggedUndo(each.result, each.asked, each.ended))
    return tuple(reversed(undos))


def what_it_came_to(attempts: Sequence[LoggedAttempt], *, under_way: bool | None) -> str:
    """For a person: what the nodes of the run came to, or that it has no end; empty without an attempt. attempts: the newest first.

    under_way: whether a process lives that writes the log; None where that is not known.
    One that changed nothing does not hide what came before it; several undos count together.
    """
    told = [
        each for each in attempts if (each.undoes and each.result) or not each.changed_nothing
    ] or attempts
    if not told:
        return ""
    newest = told[0]
    what = "its undo " if newest.undoes else ""
    if newest.ended is None:
        return f"{what or 'it '}{_NO_END[under_way]}"
    if newest.result is None:
        return f"{what}ended by {newest.error}" if newest.error else ""
    results = [each.result for each in undos_among(told)] if newest.undoes else [newest.result]
    nodes = {node.node: node for result in results for node in result.nodes}
    still = f", {left} still done" if newest.undoes and (left := _still_done(told, nodes)) else ""
    return f"{what}ended with {_counted(nodes.values())}{still}" if nodes else ""


def _still_done(attempts: Iterable[LoggedAttempt], undone: Mapping[str, NodeResult]) -> int:
    """How many nodes the run has done that no undo since was for. attempts: the newest first."""
    carried_out = (each.result for each in attempts if not each.undoes and each.result)
    nodes = next((each.nodes for each in carried_out), ())
    return sum(each.outcome is NodeOutcome.DONE and each.node not in undone for each in nodes)


def _counted(nodes: Iterable[NodeResult]) -> str:
    outcomes = Counter(each.outcome for each in nodes)
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
