"""`undo RUN`: restores the former files of every node that a run has changed, with gates of its own.

The order is the reverse of the run: the ConfigMap first, then control planes, then workers.
"""

from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import KubeError
from kubevouch.kube.resources import NODES
from kubevouch.node.errors import NodeError
from kubevouch.rollout.act.config_map import ConfigMapResult, undo_config_map
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import targets_of
from kubevouch.rollout.act.precheck import check_identity, check_vantage, survey_planned
from kubevouch.rollout.decide.change import change_to_undo, untrusted_root
from kubevouch.rollout.decide.machine import state_of_run
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan, ordered
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from kubevouch.rollout.errors import StoppedBefore

_CARRY = 90.0
_PAUSE = 1.0
_KEPT = 3
"""Records of so many runs stay on a node (transaction.sh, commit)."""
_NEVER = "this run has not changed this node"


async def undo(plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts) -> RunResult:
    """Undoes what can be undone; an approval cannot. Each node is judged by itself: one that is gone holds no other.

    Raises:
        StoppedBefore: it is another cluster.
        KubeError: the API server does not answer.
    """
    await check_identity(plan, context)
    config_map = ConfigMapResult("")
    if plan.config_map is not None:
        config_map = await undo_config_map(context.api, plan.config_map)
    changed = [node for node in plan.nodes if node.change is ChangeKind.BOOTSTRAP]
    results: list[NodeResult] = []
    for node in reversed(ordered(tuple(changed))):
        if context.stop():
            results.append(NodeResult(node.node, NodeOutcome.UNTOUCHED))
            continue
        began = context.clock.monotonic()
        outcome, why = await _undo_node(node, plan, context, timeouts)
        result = NodeResult(node.node, outcome, why, context.clock.monotonic() - began)
        context.progress.ended(node.node, f"{outcome}{': ' + why if why else ''}")
        results.append(result)
    interrupted = any(each.outcome is NodeOutcome.UNTOUCHED for each in results)
    return RunResult(
        plan.run, tuple(results), config_map.text, config_map.failed, interrupted=interrupted
    )


async def _undo_node(
    node: NodePlan, plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts
) -> tuple[NodeOutcome, str]:
    try:
        await check_vantage([node], None, context)
        seen = (await survey_planned(node, context)).answer
        if why := untrusted_root(node, seen):
            return NodeOutcome.UNKNOWN, why
        if before := _undone_before(node, plan.run, seen):
            return before
        # Sent also where no record is seen: an `--apply` that is about to begin must find that it is too late.
        script = render(TransactionStep.UNDO, change_to_undo(node, seen, plan.run), None)
        answer = (await context.transport.run_script(node.host, script, timeout=_CARRY)).answer
    except StoppedBefore as error:
        return NodeOutcome.STOPPED, str(error)
    except NodeError as error:
        return NodeOutcome.UNKNOWN, str(error)
    if answer.outcome is TransactionState.NOTHING:
        return _no_record(node, plan.run, answer.reason, seen)
    return await _after(answer, node, context, timeouts)


def _undone_before(node: NodePlan, run: str, seen: NodeSurvey) -> tuple[NodeOutcome, str] | None:
    """The result if an undo of this run has been here before; None if not."""
    state = state_of_run(seen, run)
    if state == "undone":
        return NodeOutcome.UNDONE, "it was undone before"
    return _no_record(node, run, _NEVER, seen) if state == "barred" else None


async def _after(
    answer: TransactionAnswer, node: NodePlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> tuple[NodeOutcome, str]:
    """The result of a node's undo, by its own answer and by what is seen from outside."""
    if answer.outcome is not TransactionState.UNDONE:
        return NodeOutcome.STOPPED, answer.reason
    context.progress.step(node.node, "former files in place, restarted")
    if missing := await _gates(node, context, timeouts):
        return NodeOutcome.UNKNOWN, f"undone, but {missing}"
    return NodeOutcome.UNDONE, answer.reason


def _no_record(node: NodePlan, run: str, reason: str, seen: NodeSurvey) -> tuple[NodeOutcome, str]:
    """The run left nothing there, and can no longer begin. Was that the kubelet's folder, and would a record still be kept?"""
    if seen.no_kubelet:
        why = f"{node.root} holds no record of this run, and {seen.no_kubelet.decode(errors='replace')}"
        return (
            NodeOutcome.UNKNOWN,
            f"it cannot be told whether this run has changed this node: {why}",
        )
    if sum(each.run != run.encode() for each in seen.runs) >= _KEPT:
        why = f"no record of this run is on it: it never began there, or {_KEPT} newer runs have followed"
        return NodeOutcome.UNKNOWN, why
    return NodeOutcome.DONE, reason


async def _gates(node: NodePlan, context: RolloutContext, timeouts: RolloutTimeouts) -> str:
    """The Node is Ready and its port answers with a certificate again. Empty if so, else what is missing."""
    began = context.clock.monotonic()
    while True:
        missing = await _missing(node, context)
        if not missing or context.clock.monotonic() - began > timeouts.gates:
            return missing
        context.progress.waiting(node.node, missing)
        await context.clock.sleep(_PAUSE)


async def _missing(node: NodePlan, context: RolloutContext) -> str:
    try:
        if not (await context.api.get(NODES, node.node)).ready:
            return "the Node is not Ready"
    except KubeError as error:
        return str(error)
    for served in await gather_served(targets_of(node), None, clock=context.clock):
        failure = served.dialled.failure
        if failure is not None:
            return f"{served.dialled.target}: {failure.go_text or failure.text}"
    return ""
