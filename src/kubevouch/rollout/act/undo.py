"""`undo RUN`: restores the former files on every node that a run has changed, and checks the nodes.

The ConfigMap is restored first, then one node at a time: workers, then control planes. The undo
stops at the first restored node that does not become healthy, or when the Lease is lost. A node
that fails before any change does not stop the others.
"""

import asyncio
from dataclasses import dataclass

import msgspec

from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.resources import NODES
from kubevouch.node.errors import NodeError, NodeUnreachable
from kubevouch.rollout.act.config_map import cut_off_at, undo_config_map
from kubevouch.rollout.act.context import RolloutContext, end_in_order
from kubevouch.rollout.act.kubelet_watch import why_not_up
from kubevouch.rollout.act.look import survey_planned
from kubevouch.rollout.act.node_facts import targets_now
from kubevouch.rollout.act.precheck import SILENT, check_identity
from kubevouch.rollout.decide.armed import about_to_be_armed, found_armed, is_armed_by
from kubevouch.rollout.decide.change import change_to_undo, untrusted_root
from kubevouch.rollout.decide.machine import state_of_run
from kubevouch.rollout.decide.not_changed import changed_since, edited, not_changed
from kubevouch.rollout.decide.plan import NodePlan, Plan, ordered
from kubevouch.rollout.decide.result import ConfigMapResult, NodeResult, RunResult, why_of
from kubevouch.rollout.decide.run_status import NodeState, stands_by
from kubevouch.rollout.decide.timeouts import HANDSHAKE, RolloutTimeouts
from kubevouch.rollout.decide.transaction import (
    LONGEST_SCRIPT,
    UNDONE_BEFORE,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from kubevouch.rollout.errors import AnotherHostKey, StoppedBefore

_OVER = (TransactionState.UNDONE, TransactionState.NOTHING)
_PAUSE = 1.0
_CUT = "interrupted; an undo already sent to the node keeps running there"
_NO_TURN = "the undo ended before this node's turn: the change is still in place"


async def undo(plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts) -> RunResult:
    """Undoes all changes of the plan's run, except approvals.

    After a cancellation, the result has each node's state so far.

    Raises:
        StoppedBefore: this is another cluster, or another run is in progress.
        KubeError: the API server does not answer.
    """
    await check_identity(plan, context)
    await context.confirm_holder()
    config_map = ConfigMapResult()
    results: list[NodeResult] = []
    stopped, cut, waits = "", False, False
    if plan.config_map is not None:
        try:
            config_map = await undo_config_map(context.api, plan.config_map, plan.run)
        except asyncio.CancelledError:
            end_in_order()
            config_map, cut = cut_off_at(plan.config_map), True
    for node in _changed(plan):
        stopped = context.why_lost or stopped
        if context.stop() or stopped or cut:
            results.append(NodeResult(node.node, NodeState.UNKNOWN, _NO_TURN))
            waits = True
            continue
        began = context.clock.monotonic()
        try:
            ended = await _NodeUndo(node, plan.run, context, timeouts).result()
        except asyncio.CancelledError:
            end_in_order()
            ended, cut = NodeResult(node.node, NodeState.UNKNOWN, _CUT), True
        if ended.not_well:
            is_seen = ended.state is not NodeState.UNKNOWN
            how = " and is not healthy" if is_seen else "; cannot tell whether it is healthy"
            stopped = f"{node.node} was undone{how}"
        result = msgspec.structs.replace(ended, seconds=context.clock.monotonic() - began)
        context.progress.ended(node.node, str(result))
        results.append(result)
    return RunResult(
        plan.run,
        tuple(results),
        config_map,
        interrupted=cut or (waits and not stopped),
        stopped=stopped if waits else "",
        lost_to=context.lost_to,
    )


def nothing_undone(plan: Plan) -> RunResult:
    """The result of an undo that was interrupted before its first node's turn."""
    nodes = tuple(NodeResult(each.node, NodeState.UNKNOWN, _NO_TURN) for each in _changed(plan))
    return RunResult(plan.run, nodes, interrupted=True)


def _changed(plan: Plan) -> tuple[NodePlan, ...]:
    return ordered(tuple(each for each in plan.nodes if each.writes))


@dataclass(frozen=True)
class _NodeUndo:
    node: NodePlan
    run: str
    context: RolloutContext
    timeouts: RolloutTimeouts

    async def result(self) -> NodeResult:
        """Undoes the run on the node, and returns the result."""
        name = self.node.node
        try:
            seen = (await survey_planned(self.node, self.context)).answer
            if why := untrusted_root(self.node, seen):
                return NodeResult(name, NodeState.UNKNOWN, why)
            answer = await self._sent(seen)
        except StoppedBefore as error:
            settled = isinstance(error, AnotherHostKey)
            return NodeResult(name, NodeState.FAILED, str(error), settled=settled)
        except (NodeError, KubeError) as error:
            return NodeResult(name, NodeState.UNKNOWN, str(error))
        return await self._ended(answer, seen)

    async def _sent(self, seen: NodeSurvey) -> TransactionAnswer:
        """Sends the undo to the node, and returns the answer.

        First, the Lease lists the node as armed. The undo is sent even if the node has no record of
        the run, so that a running `apply` cannot begin on it later.
        """
        context, name, run = self.context, self.node.node, self.run
        change = change_to_undo(self.node, seen, run)
        script = render(TransactionStep.UNDO, change, None, fence=context.fence)
        now, switch = context.clock.now(), change.switch_seconds
        was_armed = is_armed_by(run, seen)
        found = found_armed(name, run, seen, now)
        arms = found if was_armed else about_to_be_armed(name, run, now, switch)
        await context.confirm_holder(arms)
        was_armed = was_armed or bool(seen.no_kubelet)  # then its records are unknown
        try:
            sent = await context.transport.run_script(
                self.node.host, script, timeout=LONGEST_SCRIPT
            )
        except NodeUnreachable:
            if not was_armed:
                context.is_over(name)
            raise
        outcome = sent.answer.outcome
        if outcome in _OVER or (outcome is TransactionState.REFUSED and not was_armed):
            context.is_over(name)
        return sent.answer

    async def _ended(self, answer: TransactionAnswer, seen: NodeSurvey) -> NodeResult:
        """The node's result according to its answer.

        The answer may be about an earlier undo, even about one that ended after the survey.
        """
        node, why = self.node, answer.reason
        if answer.outcome is TransactionState.NOTHING:
            return not_changed(node, self.run, why, seen)
        half = answer.outcome is TransactionState.HALF
        if not half and answer.outcome is not TransactionState.UNDONE:
            return NodeResult(node.node, NodeState.FAILED, why)
        if why == UNDONE_BEFORE:
            if stands_by(state_of_run(seen, self.run)) is NodeState.UNDONE:
                if changed := changed_since(node, self.run, seen):
                    return changed
                why = why_of(why, edited(node, seen)[0])
        elif not half:
            self.context.progress.step(node.node, "former files restored, kubelet restarted")
        state, why = await self._come_back(f"partially undone: {why}" if half else why, half=half)
        return NodeResult(node.node, state, why, not_well=state is not NodeState.UNDONE)

    async def _come_back(self, why: str, *, half: bool) -> tuple[NodeState, str]:
        """The state after an undo, as seen on the node and from outside. FAILED if unhealthy."""
        try:
            down = await why_not_up(self.context, self.node.host)
        except NodeError as error:
            return (
                NodeState.UNKNOWN,
                f"{why or 'undone'}; cannot watch the kubelet: {error}",
            )
        if half or down:
            return (NodeState.ARMED if half else NodeState.FAILED), why_of(why, down)
        state, missing = await self._gates()
        return state, f"undone, but {missing}" if missing else why

    async def _gates(self) -> tuple[NodeState, str]:
        """Waits until the Node is Ready and its port serves a certificate. Returns UNDONE, or another state and what is missing."""
        clock = self.context.clock
        began = clock.monotonic()
        while True:
            # From now on another run may change the node.
            if lost := self.context.why_lost:
                return NodeState.UNKNOWN, f"stopped waiting for the node to become healthy: {lost}"
            state, missing = await self._seen_now()
            if not missing or clock.monotonic() - began > self.timeouts.gates:
                return state, missing
            self.context.progress.waiting(self.node.node, f"a healthy kubelet ({missing})")
            await clock.sleep(_PAUSE)

    async def _seen_now(self) -> tuple[NodeState, str]:
        """The current state, and what is missing for a healthy node; empty if nothing is.

        A port that we cannot reach is no failure: a script on the node has watched the kubelet.
        """
        try:
            live = await self.context.api.get(NODES, self.node.node)
        except KubeError as error:
            is_gone = isinstance(error, NotFound)
            return (NodeState.FAILED if is_gone else NodeState.UNKNOWN), str(error)
        if not live.ready:
            return NodeState.FAILED, "the Node is not Ready"
        dialled = targets_now(self.node, live)
        found = await gather_served(dialled, None, clock=self.context.clock, timeout=HANDSHAKE)
        for served in found:
            failure = served.dialled.failure
            if failure is not None and failure.kind not in SILENT:
                text = f"{served.dialled.target}: {failure.go_text or failure.text}"
                return NodeState.FAILED, text
        return NodeState.UNDONE, ""
