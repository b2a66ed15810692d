"""The result of an undo that changed nothing on a node. Pure."""

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import armed_message, armed_runs
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.result import NodeResult, why_of
from kubevouch.rollout.decide.run_status import NodeState

_KEPT = 3
"""A node keeps the records of this many runs (transaction.sh, forget_older). Runs that were undone
before they began there do not count."""


def not_changed(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> NodeResult:
    """The undo's result for a node that has no record of the run.

    Returns UNTOUCHED, with the reason, if the config file is as before the run. If the plan leaves
    that file unchanged, the file proves nothing. The result is then UNKNOWN if newer runs may have
    removed this run's record.
    """
    if seen.no_kubelet:
        why = f"{node.disk.root} holds no record of this run, and {node_text(seen.no_kubelet)}"
        said = f"cannot tell whether this run changed this node: {why}"
        return NodeResult(node.node, NodeState.UNKNOWN, said)
    digest = seen.config[0].sha256 if seen.config else ""
    others = [each for each in seen.runs if each.run != run.encode() and each.state != b"barred"]
    if node.disk.content_sha256 == node.disk.config_sha256 and len(others) >= _KEPT:
        said = f"the node has no record of this run: the run never began here, or its record was removed after {_KEPT} newer runs"
        return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)
    if digest == node.disk.config_sha256:
        return NodeResult(node.node, NodeState.UNTOUCHED, reason)
    what = (
        "has the content that this run writes"
        if digest == node.disk.content_sha256
        else "has changed since the plan was made"
    )
    said = f"the node has no record of the run; {node.disk.config} {what}: {_hint(node, run, seen)}"
    return NodeResult(node.node, NodeState.UNKNOWN, said, settled=True)


def changed_since(node: NodePlan, run: str, seen: NodeSurvey) -> NodeResult | None:
    """Returns FAILED if serverTLSBootstrap may be on again after the undo, or another run is armed; else None."""
    said, leaves_it_off = edited(node, seen)
    if leaves_it_off and not _others_armed(run, seen):
        return None
    why = why_of("this run was undone on the node", said, _hint(node, run, seen))
    return NodeResult(node.node, NodeState.FAILED, why, settled=True)


def edited(node: NodePlan, seen: NodeSurvey) -> tuple[str, bool]:
    """A message if the restored config file has changed since, and whether the file leaves serverTLSBootstrap off.

    The message is empty if the file is as before the run. It is also empty if no kubelet runs,
    since the file is then unknown.
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
    return tuple(each for each in armed_runs(seen) if each.run != run.encode())


def _hint(node: NodePlan, run: str, seen: NodeSurvey) -> str:
    if runs := _others_armed(run, seen):
        name = runs[0].run.decode(errors="replace")
        return f"{armed_message(seen, runs[0])}; kubevouch undo {name} --node {node.node} undoes that run"
    return f"kubevouch status --node {node.node} shows the newest run on it"
