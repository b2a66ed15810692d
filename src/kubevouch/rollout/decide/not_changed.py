"""What an undo says of a node on which it writes nothing: by the records on it and by its file, and with proof only. Pure."""

from dataclasses import dataclass

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import said_of_armed
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.result import NodeOutcome

_COMMITTED = b"committed"
_LOOK = "look at it yourself"
_KEPT = 3
"""Records of so many runs that have begun stay on a node; marks that one must not begin take no room of theirs (transaction.sh, forget_older)."""


@dataclass(frozen=True)
class UndoEnding:
    """How an undo ended for a node. settled, later_run: as `NodeResult` has them.

    ill: it was put back and is not well. untold: it was put back, and whether it is well could not be told.
    """

    outcome: NodeOutcome
    why: str = ""
    ill: bool = False
    untold: bool = False
    settled: bool = False
    later_run: str = ""

    def stops(self, node: str) -> str:
        """Why the undo ends with this node; empty if it goes on with the next one."""
        if self.untold:
            return f"{node} was put back; whether it is well could not be told"
        return f"{node} was put back and is not well" if self.ill else ""


def not_changed(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> UndoEnding:
    """The run left nothing there, and can no longer begin. NOT_CHANGED, with the reason, if it is proven that it has changed nothing.

    Was that the kubelet's folder, would a record still be kept, and is the file what it was when the plan was made?
    """
    if seen.no_kubelet:
        why = f"{node.disk.root} holds no record of this run, and {node_text(seen.no_kubelet)}"
        return UndoEnding(
            NodeOutcome.UNKNOWN,
            f"it cannot be told whether this run has changed this node: {why}",
        )
    later = _later_runs(node, run, seen)
    if len(later) >= _KEPT:
        why = f"no record of this run is on it: it never began there, or {_KEPT} newer runs have followed"
        return UndoEnding(NodeOutcome.UNKNOWN, why, settled=True)
    digest = seen.config[0].sha256 if seen.config else ""
    if digest == node.disk.config_sha256:
        return UndoEnding(NodeOutcome.NOT_CHANGED, reason)
    what = (
        "what this run writes"
        if digest == node.disk.content_sha256
        else "not what it was in the plan"
    )
    named, hint = _changed_by(node, later, seen, "is done there") or ("", _LOOK)
    why = f"no record of this run is on it, and {node.disk.config} is {what}: {hint}"
    return UndoEnding(NodeOutcome.UNKNOWN, why, settled=True, later_run=named)


def changed_since(node: NodePlan, run: str, seen: NodeSurvey) -> UndoEnding | None:
    """Where the run was undone before: why the node is not as before it all the same; None if nothing shows that."""
    later = _later_runs(node, run, seen)
    if by := _changed_by(node, later, seen, "has changed it since"):
        named, hint = by
        why = f"this run was undone there, and {hint}"
        return UndoEnding(NodeOutcome.STOPPED, why, settled=True, later_run=named)
    digest = seen.config[0].sha256 if seen.config else ""
    if digest == node.disk.content_sha256 != node.disk.config_sha256:
        why = f"this run was undone there, and {node.disk.config} is what this run writes all the same: {_LOOK}"
        return UndoEnding(NodeOutcome.STOPPED, why, settled=True)
    if (edited := _edited(node, seen)) and not edited.leaves_it_off:
        why = f"this run was undone there, and {edited.said}; {_LOOK}"
        return UndoEnding(NodeOutcome.STOPPED, why, settled=True)
    return None


def said_of_edit(node: NodePlan, seen: NodeSurvey) -> str:
    """What somebody else has made of a file that was put back; empty if it is the plan's, or was not seen."""
    edited = _edited(node, seen)
    return edited.said if edited else ""


@dataclass(frozen=True)
class _Edit:
    """An edit of somebody else's, in words. leaves_it_off: serverTLSBootstrap is not on in the file."""

    said: str
    leaves_it_off: bool


def _edited(node: NodePlan, seen: NodeSurvey) -> _Edit | None:
    """The edit; None if the file is the plan's, or was not seen, as no kubelet runs: why it does not run is said elsewhere."""
    if not seen.config or seen.config[0].sha256 == node.disk.config_sha256:
        return None
    values = read_configuration(seen.config[0].content, node.disk.config).values
    off = values is not None and not values.server_tls_bootstrap
    if values is None:
        what = "it cannot be read as a kubelet's configuration"
    else:
        what = f"serverTLSBootstrap is {'not ' if off else ''}on in it"
    return _Edit(f"somebody else has edited {node.disk.config}: {what}", off)


def _changed_by(
    node: NodePlan, later: list[SurveyedRun], seen: NodeSurvey, done: str
) -> tuple[str, str] | None:
    """The one of these runs that has changed the node, and what is to be done about it. done: what is said of one that is committed."""
    found = next((each for each in later if each.is_armed or each.state == _COMMITTED), None)
    if found is None:
        return None
    named = found.run.decode(errors="replace")
    what = said_of_armed(seen, found) if found.is_armed else f"run {named} {done}"
    return named, f"{what}; kubevouch undo {named} --nodes {node.node} puts that back"


def _later_runs(node: NodePlan, run: str, seen: NodeSurvey) -> list[SurveyedRun]:
    """Other runs that have begun there since the plan was made."""
    before = {run.encode(), *(each.encode() for each in node.disk.runs_before)}
    return [each for each in seen.runs if each.run not in before and each.state != b"barred"]
