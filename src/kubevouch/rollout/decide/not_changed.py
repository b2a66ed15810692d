"""What an undo reports for a node where it writes nothing: judged by the file, and only with proof.

Pure.
"""

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import armed_runs, said_of_armed
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.result import NodeResult, why_of
from kubevouch.rollout.decide.run_status import NodeState

_KEPT = 3
"""A node keeps the records of this many runs that have begun. Marks of runs that must not begin
do not count (transaction.sh, forget_older)."""


def not_changed(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> NodeResult:
    """The run left nothing there, and can no longer begin.

    Untouched, with the reason, if the file is as in the plan.

    If a run leaves the file as it is, only its record tells, as long as that is kept.
    """
    if seen.no_kubelet:
        why = f"{node.disk.root} holds no record of this run, and {node_text(seen.no_kubelet)}"
        said = f"cannot tell whether this run changed this node: {why}"
        return NodeResult(node.node, NodeState.UNKNOWN, said)
    digest = seen.config[0].sha256 if seen.config else ""
    others = [each for each in seen.runs if each.run != run.encode() and each.state != b"barred"]
    if node.disk.content_sha256 == node.disk.config_sha256 and len(others) >= _KEPT:
        said = f"it has no record of this run: the run never began there, or {_KEPT} newer runs have followed"
        return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)
    if digest == node.disk.config_sha256:
        return NodeResult(node.node, NodeState.UNTOUCHED, reason)
    what = (
        "what this run writes"
        if digest == node.disk.content_sha256
        else "not what it was in the plan"
    )
    said = f"it has no record of this run; {node.disk.config} is {what}: {_hint(node, run, seen)}"
    return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)


def changed_since(node: NodePlan, run: str, seen: NodeSurvey) -> NodeResult | None:
    """For a node where the run was undone: why it is still not as before; None if nothing shows that."""
    said, leaves_it_off = edited(node, seen)
    if leaves_it_off and not _others_armed(run, seen):
        return None
    why = why_of("this run was undone there", said, _hint(node, run, seen))
    return NodeResult(node.node, NodeState.FAILED, why, settled=True)


def edited(node: NodePlan, seen: NodeSurvey) -> tuple[str, bool]:
    """What happened to a file that was put back, and whether serverTLSBootstrap is off in it.

    The text is empty if the file is the plan's, or if nobody saw it since no kubelet runs. Another
    message says why it does not run.
    """
    if not seen.config or seen.config[0].sha256 == node.disk.config_sha256:
        return "", True
    values = read_configuration(seen.config[0].content, node.disk.config).values
    off = values is not None and not values.server_tls_bootstrap
    if values is None:
        what = "it is not a readable kubelet configuration"
    else:
        what = f"serverTLSBootstrap is {'not ' if off else ''}on in it"
    return f"{node.disk.config} was changed since: {what}", off


def _others_armed(run: str, seen: NodeSurvey) -> tuple[SurveyedRun, ...]:
    """The other runs that are armed.

    This run may have been armed during the survey, and has ended since.
    """
    return tuple(each for each in armed_runs(seen) if each.run != run.encode())


def _hint(node: NodePlan, run: str, seen: NodeSurvey) -> str:
    """What puts back another run's change there, or shows which run made it."""
    if runs := _others_armed(run, seen):
        name = runs[0].run.decode(errors="replace")
        return f"{said_of_armed(seen, runs[0])}; kubevouch undo {name} --node {node.node} puts that back"
    return f"kubevouch status --node {node.node} shows the newest run there"
