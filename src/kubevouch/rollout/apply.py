"""`fix --apply`: the whole run. Everything is checked before the first write; then node by node; the ConfigMap last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevouch.evidence.measured import Asking, together
from kubevouch.evidence.metrics_path import gather_metrics_path
from kubevouch.evidence.names import gather_names
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.change import change_of, seed_of
from kubevouch.rollout.checking import check_cluster, check_rights, check_vantage, survey_again
from kubevouch.rollout.config_map import write_config_map
from kubevouch.rollout.looking import (
    Ground,
    Observation,
    known_requests,
    lease_time,
    leaves_of,
)
from kubevouch.rollout.node_run import NodeRun
from kubevouch.rollout.plan import Change, NodePlan, Plan
from kubevouch.rollout.result import Ending, NodeResult, RunResult
from kubevouch.rollout.surroundings import Patience, Surroundings, ordered

_CLOCKS = timedelta(seconds=5)
"""The API server's seconds are whole, and its clock is not ours."""


@dataclass(frozen=True)
class Checked:
    """A plan that holds, and what the machines looked like when that was seen. None: nothing is done on it."""

    plan: Plan
    ground: Ground
    surveys: dict[str, NodeSurvey]
    surveyed: dict[str, datetime]
    """When, by our clock."""


async def check(plan: Plan, around: Surroundings) -> Checked:
    """Everything that can be known before the first write. Writes nothing.

    Raises:
        StoppedBefore: something is not as the plan says, naming the node.
        KubeError: the API server does not answer.
    """
    trust = await check_cluster(plan, around)
    await check_rights(around, config_map=plan.config_map is not None)
    await check_vantage(plan.nodes, around)
    asking = Asking(around.clock)
    names, metrics = await together(
        gather_names(around.api, asking), gather_metrics_path(around.api, asking)
    )
    surveys, surveyed = {}, {}
    for node in plan.nodes:
        surveys[node.node] = await survey_again(node, around)
        surveyed[node.node] = around.clock.now()
        around.watcher.step(node.node, "is as planned")
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    wanted = running and metrics.api_service.value is not None
    return Checked(plan, Ground(plan, trust, names, wanted), surveys, surveyed)


async def apply(checked: Checked, around: Surroundings, patience: Patience) -> RunResult:
    """Changes the nodes in order, each proven before the next; stops at the first that is not.

    Nodes on which nothing is written or restarted come first, all at the same time: there is nothing to undo.
    """
    nodes = ordered(checked.plan.nodes)
    waiting = [node for node in nodes if node.change is Change.APPROVE]
    runs = [await _prepare(node, checked, around, patience) for node in waiting]
    results = await together(*(_through(run, around) for run in runs))
    interrupted = False
    changing = [node for node in nodes if node.change is Change.BOOTSTRAP]
    for index, node in enumerate(changing):
        if interrupted or any(each.ending is not Ending.DONE for each in results):
            results.append(NodeResult(node.node, Ending.UNTOUCHED))
            continue
        results.append(await _through(await _prepare(node, checked, around, patience), around))
        interrupted = around.stop() and index + 1 < len(changing)
    said, failed = "", False
    if checked.plan.config_map is not None and all(e.ending is Ending.DONE for e in results):
        said = await write_config_map(around.api, checked.plan.config_map)
        failed = bool(said)
        said = said or f"ConfigMap {checked.plan.config_map.name} updated"
    return RunResult(checked.plan.run, tuple(results), said, failed, interrupted)


async def _through(run: NodeRun, around: Surroundings) -> NodeResult:
    result = await run.run()
    around.watcher.ended(result.node, _told(result))
    return result


async def _prepare(
    node: NodePlan, checked: Checked, around: Surroundings, patience: Patience
) -> NodeRun:
    """What was there before: the change is judged against it."""
    seen = checked.surveys[node.node]
    bootstrap = node.change is Change.BOOTSTRAP
    known = await known_requests(around, node.node)
    started = seen.kubelet_started(checked.surveyed[node.node])
    observation = Observation(
        around=around,
        ground=checked.ground,
        node=node,
        known=known if bootstrap else frozenset(),
        leaves_before=await leaves_of(around, node),
        lease_before=await lease_time(around, node.node),
        kubelet_started=None if bootstrap else started and started - _CLOCKS,
    )
    return NodeRun(
        observation=observation,
        patience=patience,
        change=change_of(node, seen, checked.plan.run, patience.switch) if bootstrap else None,
        seed=seed_of(node, seen, around) if bootstrap else None,
        pid_before=seen.unit.pid,
    )


def _told(result: NodeResult) -> str:
    if result.ending is Ending.DONE:
        return f"done in {result.seconds:.0f} s"
    return f"{result.ending}: {result.why}"
