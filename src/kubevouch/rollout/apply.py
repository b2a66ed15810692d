"""`fix --apply`: the whole run. Everything is checked before the first write; then node by node; the ConfigMap last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.inquiry import Asking, together
from kubevouch.evidence.gather.metrics_path import gather_metrics_path
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.policy.question import Reserved
from kubevouch.rollout.assess import assess
from kubevouch.rollout.change import change_of, seed_of
from kubevouch.rollout.checking import (
    as_planned,
    check_as_planned,
    check_cluster,
    check_rights,
    check_vantage,
    survey_again,
)
from kubevouch.rollout.config_map import write_config_map
from kubevouch.rollout.looking import Ground, Observation, known_requests, lease_time, leaves_of
from kubevouch.rollout.node_run import NodeRun
from kubevouch.rollout.plan import Change, LeftOut, NodePlan, Plan
from kubevouch.rollout.result import Ending, NodeResult, RunResult
from kubevouch.rollout.surroundings import Patience, Surroundings, ordered
from kubevouch.rollout.transaction import NodeChange, Seed

_BEFORE = "it needs nothing any more"
_CLOCKS = timedelta(seconds=5)
"""The API server's seconds are whole, and its clock is not ours."""


@dataclass(frozen=True)
class Ready:
    """A node that is as planned, and what will be done on it. change, seed: None where nothing is written."""

    plan: NodePlan
    survey: NodeSurvey
    surveyed: datetime
    """When, by our clock."""

    change: NodeChange | None
    seed: Seed | None


@dataclass(frozen=True)
class Checked:
    """A plan that holds. well: nodes that need nothing any more, since this plan was begun before."""

    plan: Plan
    ground: Ground
    ready: dict[str, Ready]
    well: frozenset[str]


async def check(plan: Plan, around: Surroundings, patience: Patience) -> Checked:
    """Everything that can be known before the first write. Writes nothing.

    Raises:
        StoppedBefore: something is not as the plan says, naming the node.
        KubeError: the API server does not answer.
    """
    trust, nodes = await check_cluster(plan, around)
    await check_rights(around, config_map=plan.config_map is not None)
    served = await check_vantage(plan.nodes, trust, around)
    asking = Asking(around.clock)
    names, metrics = await together(
        gather_names(around.api, asking), gather_metrics_path(around.api, asking)
    )
    ready: dict[str, Ready] = {}
    for node in ordered(plan.nodes):
        survey = await survey_again(node, around)
        seen = as_planned(node, nodes[node.node], survey, served[node.node], around.clock.now())
        found = assess(seen, (), Reserved(loopback=names.loopback.addresses))
        if isinstance(found, LeftOut) and found.is_well:
            around.watcher.step(node.node, "needs nothing any more")
            continue
        check_as_planned(node, found)
        assert isinstance(found, NodePlan)
        writes = node.change is Change.BOOTSTRAP
        ready[node.node] = Ready(
            plan=node,
            survey=survey,
            surveyed=seen.at,
            change=change_of(node, survey, plan.run, patience.switch) if writes else None,
            seed=seed_of(found, survey, around) if writes else None,
        )
        around.watcher.step(node.node, "is as planned")
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    ground = Ground(plan, trust, names, running and metrics.api_service.value is not None)
    return Checked(plan, ground, ready, frozenset(each.node for each in plan.nodes) - set(ready))


async def apply(checked: Checked, around: Surroundings, patience: Patience) -> RunResult:
    """Changes the nodes in order, each proven before the next; stops at the first that is not.

    Nodes on which nothing is written or restarted come first, all at the same time: there is nothing to undo.
    Whatever happens to one node is that node's result; nothing but a cancellation ends the run without one.
    """
    nodes = ordered(checked.plan.nodes)
    results = [NodeResult(n.node, Ending.DONE, _BEFORE) for n in nodes if n.node in checked.well]
    ready = [checked.ready[n.node] for n in nodes if n.node not in checked.well]
    results += await together(
        *(_through(node, checked, around, patience) for node in ready if node.change is None)
    )
    for node in (each for each in ready if each.change is not None):
        if around.stop() or any(each.ending is not Ending.DONE for each in results):
            results.append(NodeResult(node.plan.node, Ending.UNTOUCHED))
        else:
            results.append(await _through(node, checked, around, patience))
    interrupted = around.stop() and any(each.ending is Ending.UNTOUCHED for each in results)
    said, failed = "", False
    all_done = all(each.ending is Ending.DONE for each in results)
    if checked.plan.config_map is not None and all_done:
        said = await write_config_map(around.api, checked.plan.config_map)
        failed = bool(said)
        said = said or f"ConfigMap {checked.plan.config_map.name} updated"
    return RunResult(checked.plan.run, tuple(results), said, failed, interrupted)


async def _through(
    node: Ready, checked: Checked, around: Surroundings, patience: Patience
) -> NodeResult:
    try:
        run = await _prepare(node, checked, around, patience)
    except KubevouchError as error:
        result = NodeResult(node.plan.node, Ending.STOPPED, f"{error}; nothing was changed")
    else:
        result = await run.run()
    around.watcher.ended(result.node, _told(result))
    return result


async def _prepare(
    node: Ready, checked: Checked, around: Surroundings, patience: Patience
) -> NodeRun:
    """What was there before: the change is judged against it."""
    name = node.plan.node
    known = await known_requests(around, name)
    started = node.survey.kubelet_started(node.surveyed)
    observation = Observation(
        around=around,
        ground=checked.ground,
        node=node.plan,
        known=frozenset() if node.change is None else known,
        leaves_before=await leaves_of(around, node.plan),
        lease_before=await lease_time(around, name),
        kubelet_started=started - _CLOCKS if started and node.change is None else None,
    )
    return NodeRun(
        observation=observation,
        patience=patience,
        change=node.change,
        seed=node.seed,
        pid_before=node.survey.unit.pid,
    )


def _told(result: NodeResult) -> str:
    if result.ending is Ending.DONE:
        return f"done in {result.seconds:.0f} s"
    return f"{result.ending}: {result.why}"
