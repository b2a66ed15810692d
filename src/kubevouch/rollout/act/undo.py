"""`undo RUN`: restores the former files of every node that a run has changed, with gates of its own.

The ConfigMap comes first, then one node after the other: workers, then control planes. It ends at the first node that was put
back and does not come back well, or once the Lease is lost; what else befalls a node before anything is done on it holds no other.
"""

import asyncio
from dataclasses import dataclass

from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.resources import NODES
from kubevouch.node.errors import NodeError, NodeUnreachable
from kubevouch.rollout.act.config_map import ConfigMapResult, cut_off_at, undo_config_map
from kubevouch.rollout.act.context import RolloutContext, end_in_order
from kubevouch.rollout.act.kubelet_watch import why_not_up
from kubevouch.rollout.act.look import survey_planned
from kubevouch.rollout.act.node_facts import targets_now
from kubevouch.rollout.act.precheck import SILENT, check_identity
from kubevouch.rollout.decide.armed import about_to_be_armed, found_armed, is_armed_by
from kubevouch.rollout.decide.change import change_to_undo, untrusted_root
from kubevouch.rollout.decide.machine import state_of_run
from kubevouch.rollout.decide.not_changed import (
    UndoEnding,
    changed_since,
    not_changed,
    said_of_edit,
)
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan, ordered
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.timeouts import HANDSHAKE, RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    LONGEST_SCRIPT,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from kubevouch.rollout.errors import AnotherHostKey, StoppedBefore

_OVER = (TransactionState.UNDONE, TransactionState.NOTHING)
_PAUSE = 1.0
_CUT = "stopped at once; what has begun there goes on by itself"
_NEVER = "this run has not changed this node"
_BEFORE = "it was undone before"


async def undo(plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts) -> RunResult:
    """Undoes what can be undone; an approval cannot. A cancellation ends it with what has become of each node so far.

    Raises:
        StoppedBefore: it is another cluster, or another run is under way.
        KubeError: the API server does not answer.
    """
    await check_identity(plan, context)
    await context.confirm_holder()
    config_map = ConfigMapResult("")
    results: list[NodeResult] = []
    stopped, cut = "", False
    if plan.config_map is not None:
        try:
            config_map = await undo_config_map(context.api, plan.config_map, plan.run)
        except asyncio.CancelledError:
            end_in_order()
            config_map, cut = cut_off_at(plan.config_map), True
    for node in _changed(plan):
        stopped = context.why_lost or stopped
        if context.stop() or stopped or cut:
            results.append(NodeResult(node.node, NodeOutcome.NOT_PUT_BACK))
            continue
        began = context.clock.monotonic()
        try:
            ending = await _undo_node(node, plan, context, timeouts)
        except asyncio.CancelledError:
            end_in_order()
            ending, cut = UndoEnding(NodeOutcome.UNKNOWN, _CUT), True
        stopped = ending.stops(node.node) or stopped
        result = NodeResult(
            node.node,
            ending.outcome,
            ending.why,
            context.clock.monotonic() - began,
            settled=ending.settled,
            later_run=ending.later_run,
        )
        context.progress.ended(node.node, str(result))
        results.append(result)
    not_put_back = any(each.outcome is NodeOutcome.NOT_PUT_BACK for each in results)
    return RunResult(
        plan.run,
        tuple(results),
        config_map.text,
        config_map.failed,
        config_map_settled=config_map.settled,
        config_map_forbidden=config_map.forbidden,
        interrupted=cut or (not_put_back and not stopped),
        stopped=stopped if not_put_back else "",
        lost_lease=context.lost_lease,
    )


def nothing_undone(plan: Plan) -> RunResult:
    """The result of an undo that was stopped before its first node had its turn."""
    nodes = tuple(NodeResult(each.node, NodeOutcome.NOT_PUT_BACK) for each in _changed(plan))
    return RunResult(plan.run, nodes, "", interrupted=True)


def _changed(plan: Plan) -> tuple[NodePlan, ...]:
    return ordered(tuple(each for each in plan.nodes if each.change is ChangeKind.BOOTSTRAP))


async def _undo_node(
    node: NodePlan, plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts
) -> UndoEnding:
    try:
        seen = (await survey_planned(node, context)).answer
        if why := untrusted_root(node, seen):
            return UndoEnding(NodeOutcome.UNKNOWN, why)
        if before := await _undone_before(node, plan.run, seen, context, timeouts):
            return before
        answer = await _sent(node, plan.run, seen, context)
    except StoppedBefore as error:
        settled = isinstance(error, AnotherHostKey)
        return UndoEnding(NodeOutcome.STOPPED, str(error), settled=settled)
    except (NodeError, KubeError) as error:
        return UndoEnding(NodeOutcome.UNKNOWN, str(error))
    if answer.outcome is TransactionState.NOTHING:
        return not_changed(node, plan.run, answer.reason, seen)
    return await _after(answer, node, context, timeouts)


async def _sent(
    node: NodePlan, run: str, seen: NodeSurvey, context: RolloutContext
) -> TransactionAnswer:
    """What the node answers to its undo. It may be armed by it from the moment at which it is sent, and is not any more once it is put back.

    Sent also where no record is seen: an `apply` that is about to begin must find that it is too late.
    """
    change = change_to_undo(node, seen, run)
    script = render(TransactionStep.UNDO, change, None, fence=context.fence)
    name, now, switch = node.node, context.clock.now(), change.switch_seconds
    was_armed = is_armed_by(run, seen)
    found = found_armed(name, run, seen, now, switch)
    await context.confirm_holder(found if was_armed else about_to_be_armed(name, run, now, switch))
    was_armed = was_armed or bool(seen.no_kubelet)  # whose records could not be seen
    try:
        result = await context.transport.run_script(node.host, script, timeout=LONGEST_SCRIPT)
    except NodeUnreachable:
        if not was_armed:
            context.is_over(name)
        raise
    outcome = result.answer.outcome
    if outcome in _OVER or (outcome is TransactionState.REFUSED and not was_armed):
        context.is_over(name)
    return result.answer


async def _undone_before(
    node: NodePlan, run: str, seen: NodeSurvey, context: RolloutContext, timeouts: RolloutTimeouts
) -> UndoEnding | None:
    """The result if an undo of this run has been here before; None if not. It may have ended since the node was not well."""
    state = state_of_run(seen, run)
    if state in ("undone", "barred"):
        context.is_over(node.node)
    if state == "undone":
        if changed := changed_since(node, run, seen):
            return changed
        why = "; ".join(filter(None, (_BEFORE, said_of_edit(node, seen))))
        return await _back(node, why, context, timeouts)
    return not_changed(node, run, _NEVER, seen) if state == "barred" else None


async def _after(
    answer: TransactionAnswer, node: NodePlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> UndoEnding:
    """The result of a node's undo: by its own answer, by what its kubelet then does on it, and by what is seen from outside."""
    half = answer.outcome is TransactionState.HALF
    if not half and answer.outcome is not TransactionState.UNDONE:
        return UndoEnding(NodeOutcome.STOPPED, answer.reason)
    if not half:
        context.progress.step(node.node, "former files in place, restarted")
    why = f"undone by half: {answer.reason}" if half else answer.reason
    return await _back(node, why, context, timeouts, half=half)


async def _back(
    node: NodePlan,
    why: str,
    context: RolloutContext,
    timeouts: RolloutTimeouts,
    *,
    half: bool = False,
) -> UndoEnding:
    """The result where its former files are in place, by this undo or by one before: whether it has come back well with them."""
    try:
        down = await why_not_up(context, node.host)
    except NodeError as error:
        why = f"{why or 'undone'}; it could not be watched: {error}"
        return UndoEnding(NodeOutcome.UNKNOWN, why, untold=True)
    if down:
        return UndoEnding(NodeOutcome.DOWN, "; ".join(filter(None, (why, down))), ill=True)
    if half:
        return UndoEnding(NodeOutcome.UNKNOWN, why, ill=True)
    if missing := await _gates(node, context, timeouts):
        why = f"undone, but {missing.text}"
        return UndoEnding(NodeOutcome.UNKNOWN, why, ill=missing.seen, untold=not missing.seen)
    return UndoEnding(NodeOutcome.UNDONE, why)


@dataclass(frozen=True)
class _Missing:
    """What a node lacks that was put back. seen: that it does; where not, the text says why that could not be told."""

    text: str
    seen: bool = True


async def _gates(
    node: NodePlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> _Missing | None:
    """What is missing; None if the Node is Ready and its port answers with a certificate again."""
    began = context.clock.monotonic()
    while True:
        if lost := context.why_lost:  # what is seen may be the other run's doing from now on
            return _Missing(f"whether it is well was not waited for: {lost}", seen=False)
        missing = await _missing(node, context)
        if missing is None or context.clock.monotonic() - began > timeouts.gates:
            return missing
        context.progress.waiting(node.node, missing.text)
        await context.clock.sleep(_PAUSE)


async def _missing(node: NodePlan, context: RolloutContext) -> _Missing | None:
    """A port that cannot be dialled from here at all says nothing: the kubelet was watched on its node."""
    try:
        live = await context.api.get(NODES, node.node)
    except KubeError as error:
        return _Missing(str(error), seen=isinstance(error, NotFound))
    if not live.ready:
        return _Missing("the Node is not Ready")
    dialled = targets_now(node, live)
    for served in await gather_served(dialled, None, clock=context.clock, timeout=HANDSHAKE):
        failure = served.dialled.failure
        if failure is not None and failure.kind not in SILENT:
            return _Missing(f"{served.dialled.target}: {failure.go_text or failure.text}")
    return None
