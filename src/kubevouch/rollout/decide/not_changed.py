"""What an undo reports for a node where it writes nothing, by the node's config file. Pure."""

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import armed_runs, said_of_armed
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.result import NodeResult, why_of
from kubevouch.rollout.decide.run_status import NodeState

_KEPT = 3
"""A node keeps the records of this many runs that have begun. Records of barred runs do not count
(transaction.sh, forget_older)."""


def not_changed(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> NodeResult:
    """The result for a node without a record of the run, where the run can no longer begin.

    UNTOUCHED, with the reason, if the config file is as before. If the run does not change the
    file, only the run's record could show whether it ran, and newer runs may have removed that.
    """
    if seen.no_kubelet:
        why = f"{node.disk.root} holds no record of this run, and {node_text(seen.no_kubelet)}"
        said = f"cannot tell whether this run changed this node: {why}"
        return NodeResult(node.node, NodeState.UNKNOWN, said)
    digest = seen.config[0].sha256 if seen.config else ""
    others = [each for each in seen.runs if each.run != run.encode() and each.state != b"barred"]
    if node.disk.content_sha256 == node.disk.config_sha256 and len(others) >= _KEPT:
        said = f"the node has no record of this run: it never began there, or {_KEPT} newer runs have followed"
        return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)
    if digest == node.disk.config_sha256:
        return NodeResult(node.node, NodeState.UNTOUCHED, reason)
    what = (
        "what this run writes"
        if digest == node.disk.content_sha256
        else "not what it was in the plan"
    )
    said = f"the node has no record of this run; {node.disk.config} is {what}: {_hint(node, run, seen)}"
    return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)


def changed_since(node: NodePlan, run: str, seen: NodeSurvey) -> NodeResult | None:
    """A failed result if the run was undone on the node, but serverTLSBootstrap is on again; else None."""
    said, leaves_it_off = edited(node, seen)
    if leaves_it_off and not _others_armed(run, seen):
        return None
    why = why_of("this run was undone on the node", said, _hint(node, run, seen))
    return NodeResult(node.node, NodeState.FAILED, why, settled=True)


def edited(node: NodePlan, seen: NodeSurvey) -> tuple[str, bool]:
    """A message if a restored config file was changed again, and whether serverTLSBootstrap is off in it.

    The message is empty if the file is as before, or if the file is unknown because no kubelet runs
    (another message says why).
    """
    if not seen.config or seen.config[0].sha256 == node.disk.config_sha256:
        return "", True
    values = read_configuration(seen.config[0].content, node.disk.config).values
    off = values is not None and not values.server_tls_bootstrap
    if values is None:
        what = "not a readable kubelet configuration"
    else:
        what = f"serverTLSBootstrap is {'not ' if off else ''}on in the file"
    return f"{node.disk.config} was changed since: {what}", off


def _others_armed(run: str, seen: NodeSurvey) -> tuple[SurveyedRun, ...]:
    """The other armed runs. This run was perhaps armed during the survey, but has ended since."""
    return tuple(each for each in armed_runs(seen) if each.run != run.encode())


def _hint(node: NodePlan, run: str, seen: NodeSurvey) -> str:
    """How to undo another run's change on the node, or how to see which run made it."""
    if runs := _others_armed(run, seen):
        name = runs[0].run.decode(errors="replace")
        return f"{said_of_armed(seen, runs[0])}; kubevouch undo {name} --node {node.node} puts that back"
    return f"kubevouch status --node {node.node} shows the newest run there"
