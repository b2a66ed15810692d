"""`fix --apply`: the whole run. Everything is checked before the first write; then node by node; the ConfigMap last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.metrics_path import gather_metrics_path
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.act.config_map import write_config_map
from kubevouch.rollout.act.context import RolloutContext, RolloutTimeouts
from kubevouch.rollout.act.node_run import NodeRun
from kubevouch.rollout.act.observe import (
    NodeObserver,
    RunInputs,
    known_requests,
    lease_time,
    leaves_of,
)
from kubevouch.rollout.act.precheck import (
    as_planned,
    check_as_planned,
    check_cluster,
    check_rights,
    check_vantage,
    survey_again,
)
from kubevouch.rollout.decide.assess import assess
from kubevouch.rollout.decide.change import change_of, seed_of
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan, ordered
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.transaction import NodeChange, Seed

_BEFORE = "it needs nothing any more"
_CLOCKS = timedelta(seconds=5)
"""The API server's seconds are whole, and its clock is not ours."""


@dataclass(frozen=True)
class CheckedNode:
    """A node that is as planned, and what will be done on it. change, seed: None where nothing is written."""

    plan: NodePlan
    survey: NodeSurvey
    surveyed: datetime
    """When, by our clock."""

    change: NodeChange | None
    seed: Seed | None


@dataclass(frozen=True)
class CheckedPlan:
    """A plan that holds. well: nodes that need nothing any more, since this plan was begun before."""

    plan: Plan
    inputs: RunInputs
    ready: dict[str, CheckedNode]
    well: frozenset[str]


async def check(plan: Plan, context: RolloutContext, timeouts: RolloutTimeouts) -> CheckedPlan:
    """Everything that can be known before the first write. Writes nothing.

    Raises:
        StoppedBefore: something is not as the plan says, naming the node.
        KubeError: the API server does not answer.
    """
    trust, nodes = await check_cluster(plan, context)
    await check_rights(context, config_map=plan.config_map is not None)
    served = await check_vantage(plan.nodes, trust, context)
    inquiry = Inquiry(context.clock)
    names, metrics = await together(
        gather_names(context.api, inquiry), gather_metrics_path(context.api, inquiry)
    )
    ready: dict[str, CheckedNode] = {}
    for node in ordered(plan.nodes):
        survey = await survey_again(node, context)
        seen = as_planned(node, nodes[node.node], survey, served[node.node], context.clock.now())
        found = assess(seen, (), ReservedNames(loopback=names.loopback.addresses))
        if isinstance(found, LeftOut) and found.is_well:
            context.progress.step(node.node, "needs nothing any more")
            continue
        check_as_planned(node, found)
        assert isinstance(found, NodePlan)
        writes = node.change is ChangeKind.BOOTSTRAP
        ready[node.node] = CheckedNode(
            plan=node,
            survey=survey,
            surveyed=seen.at,
            change=change_of(node, survey, plan.run, timeouts.switch) if writes else None,
            seed=seed_of(
                found,
                survey,
                now=context.clock.now(),
                serials=(context.random_serial(63), context.random_serial(63)),
            )
            if writes
            else None,
        )
        context.progress.step(node.node, "is as planned")
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    inputs = RunInputs(plan, trust, names, running and metrics.api_service.value is not None)
    return CheckedPlan(
        plan, inputs, ready, frozenset(each.node for each in plan.nodes) - set(ready)
    )


async def apply(
    checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> RunResult:
    """Changes the nodes in order, each proven before the next; stops at the first that is not.

    Nodes on which nothing is written or restarted come first, all at the same time: there is nothing to undo.
    Whatever happens to one node is that node's result; nothing but a cancellation ends the run without one.
    """
    nodes = ordered(checked.plan.nodes)
    results = [
        NodeResult(n.node, NodeOutcome.DONE, _BEFORE) for n in nodes if n.node in checked.well
    ]
    ready = [checked.ready[n.node] for n in nodes if n.node not in checked.well]
    results += await together(
        *(_through(node, checked, context, timeouts) for node in ready if node.change is None)
    )
    for node in (each for each in ready if each.change is not None):
        if context.stop() or any(each.outcome is not NodeOutcome.DONE for each in results):
            results.append(NodeResult(node.plan.node, NodeOutcome.UNTOUCHED))
        else:
            results.append(await _through(node, checked, context, timeouts))
    interrupted = context.stop() and any(each.outcome is NodeOutcome.UNTOUCHED for each in results)
    said, failed = "", False
    all_done = all(each.outcome is NodeOutcome.DONE for each in results)
    if checked.plan.config_map is not None and all_done:
        said = await write_config_map(context.api, checked.plan.config_map)
        failed = bool(said)
        said = said or f"ConfigMap {checked.plan.config_map.name} updated"
    return RunResult(checked.plan.run, tuple(results), said, failed, interrupted)


async def _through(
    node: CheckedNode, checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> NodeResult:
    try:
        run = await _prepare(node, checked, context, timeouts)
    except KubevouchError as error:
        result = NodeResult(node.plan.node, NodeOutcome.STOPPED, f"{error}; nothing was changed")
    else:
        result = await run.run()
    context.progress.ended(result.node, _told(result))
    return result


async def _prepare(
    node: CheckedNode, checked: CheckedPlan, context: RolloutContext, timeouts: RolloutTimeouts
) -> NodeRun:
    """What was there before: the change is judged against it."""
    name = node.plan.node
    known = await known_requests(context, name)
    started = node.survey.kubelet_started(node.surveyed)
    observer = NodeObserver(
        context=context,
        inputs=checked.inputs,
        node=node.plan,
        known=frozenset() if node.change is None else known,
        leaves_before=await leaves_of(context, node.plan),
        lease_before=await lease_time(context, name),
        kubelet_started=started - _CLOCKS if started and node.change is None else None,
    )
    return NodeRun(
        observer=observer,
        timeouts=timeouts,
        change=node.change,
        seed=node.seed,
        pid_before=node.survey.unit.pid,
    )


def _told(result: NodeResult) -> str:
    if result.outcome is NodeOutcome.DONE:
        return f"done in {result.seconds:.0f} s"
    return f"{result.outcome}: {result.why}"
