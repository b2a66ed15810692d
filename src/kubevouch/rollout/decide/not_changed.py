"""What an undo says of a node on which it writes nothing: by the records on it and by its file, and with proof only. Pure."""

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import said_of_armed
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.result import NodeResult
from kubevouch.rollout.decide.run_status import NodeState

_COMMITTED = b"committed"
_LOOK = "look at it yourself"
_KEPT = 3
"""Records of so many runs that have begun stay on a node; marks that one must not begin take no room of theirs (transaction.sh, forget_older)."""


def not_changed(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> NodeResult:
    """The run left nothing there, and can no longer begin. Untouched, with the reason, if it is proven that it has changed nothing.

    Was that the kubelet's folder, would a record still be kept, and is the file what it was when the plan was made?
    """
    name = node.node
    if seen.no_kubelet:
        why = f"{node.disk.root} holds no record of this run, and {node_text(seen.no_kubelet)}"
        said = f"it cannot be told whether this run has changed this node: {why}"
        return NodeResult(name, NodeState.UNKNOWN, said)
    later = _later_runs(node, run, seen)
    if len(later) >= _KEPT:
        why = f"no record of this run is on it: it never began there, or {_KEPT} newer runs have followed"
        return NodeResult(name, NodeState.UNKNOWN, why, settled=True)
    digest = seen.config[0].sha256 if seen.config else ""
    if digest == node.disk.config_sha256:
        return NodeResult(name, NodeState.UNTOUCHED, reason)
    what = (
        "what this run writes"
        if digest == node.disk.content_sha256
        else "not what it was in the plan"
    )
    hint = _changed_by(node, later, seen, "is done there") or _LOOK
    why = f"no record of this run is on it, and {node.disk.config} is {what}: {hint}"
    return NodeResult(name, NodeState.UNKNOWN, why, settled=True)


def changed_since(node: NodePlan, run: str, seen: NodeSurvey) -> NodeResult | None:
    """Where the run was undone before: why the node is not as before it all the same; None if nothing shows that."""
    later = _later_runs(node, run, seen)
    said = _changed_by(node, later, seen, "has changed it since")
    if not said:
        edit, leaves_it_off = edited(node, seen)
        said = f"{edit}; {_LOOK}" if edit and not leaves_it_off else ""
    why = f"this run was undone there, and {said}"
    return NodeResult(node.node, NodeState.FAILED, why, settled=True) if said else None


def edited(node: NodePlan, seen: NodeSurvey) -> tuple[str, bool]:
    """What somebody else has made of a file that was put back, and whether serverTLSBootstrap is not on in it.

    No text if it is the plan's, or was not seen, as no kubelet runs: why it does not run is said elsewhere.
    """
    if not seen.config or seen.config[0].sha256 == node.disk.config_sha256:
        return "", True
    values = read_configuration(seen.config[0].content, node.disk.config).values
    off = values is not None and not values.server_tls_bootstrap
    if values is None:
        what = "it cannot be read as a kubelet's configuration"
    else:
        what = f"serverTLSBootstrap is {'not ' if off else ''}on in it"
    return f"somebody else has edited {node.disk.config}: {what}", off


def _changed_by(node: NodePlan, later: list[SurveyedRun], seen: NodeSurvey, done: str) -> str:
    """The one of these runs that has changed the node, and what puts that back; empty if none has. done: what is said of one that is committed."""
    found = next((each for each in later if each.is_armed or each.state == _COMMITTED), None)
    if found is None:
        return ""
    named = found.run.decode(errors="replace")
    what = said_of_armed(seen, found) if found.is_armed else f"run {named} {done}"
    return f"{what}; kubevouch undo {named} --nodes {node.node} puts that back"


def _later_runs(node: NodePlan, run: str, seen: NodeSurvey) -> list[SurveyedRun]:
    """Other runs that have begun there since the plan was made."""
    before = {run.encode(), *(each.encode() for each in node.disk.runs_before)}
    return [each for each in seen.runs if each.run not in before and each.state != b"barred"]
