"""`apply`: carries out a checked plan, verifies each node from outside, and changes the ConfigMap last."""

import asyncio
import contextlib
from collections.abc import Collection
from datetime import datetime

import msgspec

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import KubeError
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.check import CheckedNode, CheckedPlan
from kubevouch.rollout.act.config_map import cut_off_at, write_config_map, written_by
from kubevouch.rollout.act.context import RolloutContext, end_in_order
from kubevouch.rollout.act.fleet_run import FleetRun
from kubevouch.rollout.act.live_cluster import live_cluster
from kubevouch.rollout.act.node_turn import NodeTurns
from kubevouch.rollout.decide.armed import by_its_switch
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.machine import state_of_run
from kubevouch.rollout.decide.plan import ConfigMapPlan, LeftOut
from kubevouch.rollout.decide.recheck import not_accounted_for
from kubevouch.rollout.decide.result import AS_BEFORE, ConfigMapResult, NodeResult, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_WELL = "it needs nothing"
_AT_ONCE = "interrupted"
_NOT_GONE_ON = "the run ended before continuing on this node"
_NOT_ALL_DONE = "not every node is done"


async def apply(
    checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> RunResult:
    """Carries out the plan on its nodes, several at once, in the order of `decide.order`. Changes the ConfigMap last.

    If a node fails, its result has the reason. After a cancellation or an internal error, the
    result has each node's state so far.
    """
    for node in checked.nodes:
        context.is_over(node.plan.node)
        if node.begun:
            context.may_be_armed(node.begun)
    nodes = tuple(each.plan for each in checked.nodes)
    lineup = Lineup(nodes, timeouts.soak, checked.found)
    cancelled, failed = False, ""
    async with live_cluster(context) as live:
        turns = NodeTurns(checked, context, timeouts, live)
        run = FleetRun(lineup, context, turns.through, turns.not_well)
        try:
            await run.run()
        except asyncio.CancelledError:
            cancelled = True
            end_in_order()
        except Exception as error:  # noqa: BLE001 - finished and current nodes are still reported
            failed = f"an internal error, {type(error).__name__}: {error}"
    cut, now = _AT_ONCE if cancelled else failed, context.clock.now()
    active = {name for name, course in run.courses.items() if course.active}
    results = [
        run.results.get(each.plan.node) or _without_a_result(each, active, cut, now)
        for each in checked.nodes
    ]
    all_done = all(each.state is NodeState.DONE for each in results) and not run.stopped
    try:
        config_map = await _config_map(checked, context, all_done=all_done)
    except asyncio.CancelledError:
        end_in_order()
        cancelled = True
        config_map = cut_off_at(checked.plan.config_map)
    left = any(
        each.node not in run.results and each.state is not NodeState.DONE for each in results
    )
    interrupted = cancelled or (context.stop() and left)
    return _result(
        checked,
        results,
        config_map,
        interrupted=interrupted,
        stopped=run.stopped or failed,
        lost_to=context.lost_to,
    )


def stopped_at_once(checked: CheckedPlan, now: datetime) -> RunResult:
    """The result of a run that was interrupted before any node's turn.

    The dead-man's switches that an earlier attempt set stay set.
    """
    results = [_without_a_result(each, set(), _AT_ONCE, now) for each in checked.nodes]
    planned = checked.plan.config_map
    config_map = ConfigMapResult(f"{_kept(planned)}: {_NOT_ALL_DONE}" if planned else "")
    return _result(checked, results, config_map, interrupted=True)


def _result(
    checked: CheckedPlan,
    results: list[NodeResult],
    config_map: ConfigMapResult,
    *,
    interrupted: bool,
    stopped: str = "",
    lost_to: str | None = None,
) -> RunResult:
    now = {each.node for each in results if each.state not in (*AS_BEFORE, NodeState.FAILED)}
    changed = [
        node
        for node in checked.nodes
        if node.plan.writes and _has_changed(node, checked.plan.run, now)
    ]
    return RunResult(
        run=checked.plan.run,
        nodes=tuple(results),
        config_map=config_map,
        interrupted=interrupted,
        stopped=stopped,
        left_out=_left_out(checked),
        lost_to=lost_to,
        undo=f"kubevouch undo {checked.plan.run}" if changed or config_map.written else "",
    )


def _has_changed(node: CheckedNode, run: str, now: Collection[str]) -> bool:
    """Whether this run has changed the node. now: nodes that the current attempt may have changed."""
    if node.state is NodeState.DONE:
        return state_of_run(node.survey, run) == "committed"
    return node.plan.node in now


def _left_out(checked: CheckedPlan) -> tuple[LeftOut, ...]:
    """The nodes that the run leaves out, except healthy nodes.

    A reason from the plan starts with "when the plan was made", since it may be outdated.
    """
    unwell = [each for each in checked.plan.left_out if not each.is_well]
    dated = (
        each
        if each in checked.away
        else msgspec.structs.replace(each, reason=f"when the plan was made: {each.reason}")
        for each in unwell
    )
    return (*dated, *checked.not_well)


def _without_a_result(node: CheckedNode, active: set[str], cut: str, now: datetime) -> NodeResult:
    """The result of a node whose turn never came, or was interrupted. cut: why; empty if not.

    ARMED if the dead-man's switch may be set, by this attempt or an earlier one.
    """
    name, changes = node.plan.node, node.plan.writes
    if changes and (name in active or node.begun):
        due = node.begun.due if node.begun else None
        how = f"{cut or _NOT_GONE_ON}; {by_its_switch(due, now)}"
        return NodeResult(name, NodeState.ARMED, how)
    if name in active:
        return NodeResult(name, NodeState.UNTOUCHED, cut)
    if node.state is NodeState.DONE:
        return NodeResult(name, NodeState.DONE, _WELL)
    return NodeResult(name, NodeState.UNTOUCHED)


async def _config_map(
    checked: CheckedPlan, context: RolloutContext, *, all_done: bool
) -> ConfigMapResult:
    """Writes the kubelet-config ConfigMap if all nodes of the cluster are done or healthy."""
    planned = checked.plan.config_map
    if planned is None:
        return ConfigMapResult()
    kept = _kept(planned)
    if not all_done:
        return ConfigMapResult(f"{kept}: {_NOT_ALL_DONE}")
    if checked.config_map_kept:
        return ConfigMapResult(f"{kept}: {checked.config_map_kept}", failed=not checked.away)
    if not checked.writes_config_map:
        ours = False
        with contextlib.suppress(KubeError):  # then the result offers no undo of the ConfigMap
            ours = await written_by(context.api, planned) == checked.plan.run
        return ConfigMapResult(f"ConfigMap {planned.name} is already as planned", written=ours)
    return await _write(checked, planned, context, kept)


def _kept(planned: ConfigMapPlan) -> str:
    return f"ConfigMap {planned.name} stays as it is"


async def _write(
    checked: CheckedPlan, planned: ConfigMapPlan, context: RolloutContext, kept: str
) -> ConfigMapResult:
    try:
        live = [node.name for node in await context.api.list_all(NODES)]
        await context.confirm_holder()
    except KubevouchError as error:
        return ConfigMapResult(f"{kept}: {error}", failed=True)
    if why := not_accounted_for(checked.plan, live, checked.not_well):
        return ConfigMapResult(f"{kept}: {why}", failed=True)
    return await write_config_map(context.api, planned, checked.plan.run)
