"""`fix --apply`: carries out a checked plan node by node, each proven before the next, and the ConfigMap last."""

import asyncio
from datetime import timedelta

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.check import CheckedNode, CheckedPlan
from kubevouch.rollout.act.config_map import ConfigMapResult, write_config_map
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import (
    client_certificates_of,
    csrs_of,
    lease_time,
    leaves_of,
)
from kubevouch.rollout.act.node_run import NodeRun
from kubevouch.rollout.act.observe import NodeObserver
from kubevouch.rollout.decide.armed import ArmedNode, found_armed
from kubevouch.rollout.decide.change import change_of, seed_of
from kubevouch.rollout.decide.machine import restart_pending
from kubevouch.rollout.decide.plan import ChangeKind, ConfigMapPlan
from kubevouch.rollout.decide.recheck import FoundState, not_accounted_for, not_the_node
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.errors import StoppedBefore

_WELL = "it needs nothing any more"
_APPROVED_AT_ONCE = 8
_CLOCKS = timedelta(seconds=5)
"""The API server's seconds are whole, and its clock is not ours."""


async def apply(
    checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> RunResult:
    """Changes the nodes in order, each proven before the next; stops at the first that is not.

    Nodes on which nothing is written or restarted come first, several at a time: there is nothing to undo.
    Whatever happens to one node is that node's result; nothing but a cancellation ends the run without one.
    """
    plan = checked.plan
    well = [node for node in checked.nodes if node.state is FoundState.WELL]
    left = [node for node in checked.nodes if node.state is not FoundState.WELL]
    results = [NodeResult(node.plan.node, NodeOutcome.DONE, _WELL) for node in well]
    results += await _approved(
        [each for each in left if each.plan.change is ChangeKind.APPROVE],
        checked,
        context,
        timeouts,
    )
    for node in (each for each in left if each.plan.change is ChangeKind.BOOTSTRAP):
        if context.stop() or any(each.outcome is not NodeOutcome.DONE for each in results):
            results.append(NodeResult(node.plan.node, NodeOutcome.UNTOUCHED))
        else:
            results.append(await _through(node, checked, context, timeouts))
    all_done = all(each.outcome is NodeOutcome.DONE for each in results)
    config_map = await _config_map(checked, context, all_done=all_done)
    changed = {node.plan.node for node in left if node.plan.change is ChangeKind.BOOTSTRAP} & {
        each.node
        for each in results
        if each.armed or each.outcome in (NodeOutcome.DONE, NodeOutcome.UNKNOWN)
    }
    return RunResult(
        run=plan.run,
        nodes=tuple(results),
        config_map=config_map.text,
        config_map_failed=config_map.failed,
        interrupted=context.stop() and any(r.outcome is NodeOutcome.UNTOUCHED for r in results),
        left_out=(*(each for each in plan.left_out if not each.is_well), *checked.not_well),
        undo=f"kubevouch undo {plan.run}" if changed else "",
    )


async def _approved(
    nodes: list[CheckedNode],
    checked: CheckedPlan,
    context: RolloutContext,
    timeouts: RolloutTimeouts,
) -> list[NodeResult]:
    limit = asyncio.Semaphore(_APPROVED_AT_ONCE)

    async def approved(node: CheckedNode) -> NodeResult:
        async with limit:
            if context.stop():
                return NodeResult(node.plan.node, NodeOutcome.UNTOUCHED)
            return await _through(node, checked, context, timeouts)

    return list(await together(*(approved(node) for node in nodes)))


async def _config_map(
    checked: CheckedPlan, context: RolloutContext, *, all_done: bool
) -> ConfigMapResult:
    """Writes the ConfigMap if every node that the cluster has now is done or well."""
    planned = checked.plan.config_map
    if planned is None:
        return ConfigMapResult("")
    kept = f"ConfigMap {planned.name} is left as it is"
    if not all_done:
        return ConfigMapResult(f"{kept}: not every node is done")
    if checked.config_map_kept:
        return ConfigMapResult(f"{kept}: {checked.config_map_kept}", failed=True)
    if not checked.writes_config_map:
        return ConfigMapResult(f"ConfigMap {planned.name} is as planned already")
    return await _write(checked, planned, context, kept)


async def _write(
    checked: CheckedPlan, planned: ConfigMapPlan, context: RolloutContext, kept: str
) -> ConfigMapResult:
    try:
        live = [node.name for node in await context.api.list_all(NODES)]
    except KubevouchError as error:
        return ConfigMapResult(f"{kept}: {error}", failed=True)
    if why := not_accounted_for(checked.plan, live, checked.well):
        return ConfigMapResult(f"{kept}: {why}", failed=True)
    return await write_config_map(context.api, planned)


async def _through(
    node: CheckedNode, checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> NodeResult:
    begun = None
    if node.state is FoundState.BEGUN:
        begun = found_armed(
            node.plan.node, checked.plan.run, node.survey, node.surveyed, timeouts.switch
        )
        context.armed(begun)
    try:
        run = await _prepare(node, checked, context, timeouts, begun)
    except KubevouchError as error:
        how = "it is still armed" if begun else "nothing was changed"
        why = f"{error}; {how}"
        result = NodeResult(node.plan.node, NodeOutcome.STOPPED, why, armed=begun is not None)
    else:
        result = await run.run()
    context.progress.ended(result.node, _outcome_text(result))
    return result


async def _prepare(
    node: CheckedNode,
    checked: CheckedPlan,
    context: RolloutContext,
    timeouts: RolloutTimeouts,
    begun: ArmedNode | None,
) -> NodeRun:
    """The node's turn: it is still the plan's and Ready; what was there before is noted; its seed is made now."""
    name = node.plan.node
    live = await context.api.get(NODES, name)
    if why := not_the_node(node.plan, live) or ("" if live.ready else "this Node is not Ready"):
        raise StoppedBefore(name, why)
    observer = await _observer(node, checked, context, begun, timeouts.approvers_turn)
    if node.plan.change is not ChangeKind.BOOTSTRAP:
        return NodeRun(observer, timeouts, change=None, seed=None, pid_before=node.survey.unit.pid)
    restarted = begun is not None and not restart_pending(node.survey)
    if begun:
        context.progress.step(name, "goes on with this run, which is not finished")
    return NodeRun(
        observer=observer,
        timeouts=timeouts,
        change=change_of(
            node.plan,
            node.survey,
            checked.plan.run,
            content=node.content,
            switch_seconds=timeouts.switch,
        ),
        seed=seed_of(
            node.plan,
            node.survey,
            now=context.clock.now(),
            life=timeouts.seed_life,
            serials=(context.random_serial(63), context.random_serial(63)),
        ),
        pid_before=0 if restarted else node.survey.unit.pid,
        begun=begun,
    )


async def _observer(
    node: CheckedNode,
    checked: CheckedPlan,
    context: RolloutContext,
    begun: ArmedNode | None,
    approvers_turn: float,
) -> NodeObserver:
    """Who looks at the node from now on, with what was there before. approvers_turn: where an approver leads.

    Of a node that was begun before, what it serves and which CSRs it has may come of this very run: only a CSR that is
    older than the kubelet's process is one from before.
    """
    name, writes = node.plan.node, node.plan.change is ChangeKind.BOOTSTRAP
    started = node.kubelet_started
    since = started - _CLOCKS if started else None
    csrs = await csrs_of(context, name)
    known: set[str] = set()
    if begun and since is not None:
        known = {each.name for each in csrs if (each.metadata.creation_timestamp or since) < since}
    elif writes and not begun:
        known = {each.name for each in csrs}
    return NodeObserver(
        context=context,
        inputs=checked.inputs,
        node=node.plan,
        known=frozenset(known),
        leaves_before=frozenset() if begun else await leaves_of(context, node.plan),
        lease_before=None if begun else await lease_time(context, name),
        kubelet_started=since if begun or not writes else None,
        client_certificates=client_certificates_of(node.survey),
        approvers_turn=approvers_turn if checked.inputs.approver_decides else 0.0,
    )


def _outcome_text(result: NodeResult) -> str:
    if result.outcome is NodeOutcome.DONE:
        return f"done in {result.seconds:.0f} s"
    return f"{result.outcome}{': ' + result.why if result.why else ''}"
