"""`undo RUN`: every node that a run has changed goes back to its former files, through gates of its own.

The order is that of the run turned round: the ConfigMap first, then control planes, then workers.
"""

from kubevouch.evidence.gather.serving import gather_served
from kubevouch.kube.errors import KubeError
from kubevouch.kube.resources import NODES
from kubevouch.node.errors import NodeError
from kubevouch.rollout.change import change_to_undo
from kubevouch.rollout.checking import check_identity, check_vantage, survey_again
from kubevouch.rollout.config_map import undo_config_map
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.rollout.looking import targets_of
from kubevouch.rollout.plan import Change, NodePlan, Plan
from kubevouch.rollout.result import Ending, NodeResult, RunResult
from kubevouch.rollout.surroundings import Patience, Surroundings, ordered
from kubevouch.rollout.transaction import Action, State, render

_CARRY = 90.0
_PAUSE = 1.0


async def undo(plan: Plan, around: Surroundings, patience: Patience) -> RunResult:
    """Undoes what can be undone; an approval cannot. Each node is judged by itself: one that is gone holds no other.

    Raises:
        StoppedBefore: it is another cluster.
        KubeError: the API server does not answer.
    """
    await check_identity(plan, around)
    said, failed = "", False
    if plan.config_map is not None:
        said = await undo_config_map(around.api, plan.config_map)
        failed = bool(said)
        said = said or f"ConfigMap {plan.config_map.name} is as before"
    changed = [node for node in plan.nodes if node.change is Change.BOOTSTRAP]
    results: list[NodeResult] = []
    for node in reversed(ordered(tuple(changed))):
        if around.stop():
            results.append(NodeResult(node.node, Ending.UNTOUCHED))
            continue
        began = around.clock.monotonic()
        ending, why = await _undo_node(node, plan, around, patience)
        result = NodeResult(node.node, ending, why, around.clock.monotonic() - began)
        around.watcher.ended(node.node, f"{ending}{': ' + why if why else ''}")
        results.append(result)
    interrupted = any(each.ending is Ending.UNTOUCHED for each in results)
    return RunResult(plan.run, tuple(results), said, failed, interrupted)


async def _undo_node(
    node: NodePlan, plan: Plan, around: Surroundings, patience: Patience
) -> tuple[Ending, str]:
    try:
        await check_vantage([node], None, around)
        seen = await survey_again(node, around)
        runs = {run.run.decode(errors="replace") for run in seen.runs}
        if plan.run not in runs:
            return Ending.DONE, "this run has not changed this node"
        script = render(Action.UNDO, change_to_undo(node, seen, plan.run), None)
        answer = (await around.way.carry(node.host, script, timeout=_CARRY)).answer
    except StoppedBefore as error:
        return Ending.STOPPED, str(error)
    except NodeError as error:
        return Ending.UNKNOWN, str(error)
    if answer.outcome is State.NOTHING:
        return Ending.DONE, answer.reason
    if answer.outcome is not State.UNDONE:
        return Ending.STOPPED, answer.reason
    around.watcher.step(node.node, "former files in place, restarted")
    missing = await _gates(node, around, patience)
    return (Ending.UNKNOWN, f"undone, but {missing}") if missing else (Ending.UNDONE, answer.reason)


async def _gates(node: NodePlan, around: Surroundings, patience: Patience) -> str:
    """The Node is Ready and its port answers with a certificate again. Empty if so, else what is missing."""
    began = around.clock.monotonic()
    while True:
        missing = await _missing(node, around)
        if not missing or around.clock.monotonic() - began > patience.gates:
            return missing
        around.watcher.waiting(node.node, missing)
        await around.clock.sleep(_PAUSE)


async def _missing(node: NodePlan, around: Surroundings) -> str:
    try:
        if not (await around.api.get(NODES, node.node)).ready:
            return "the Node is not Ready"
    except KubeError as error:
        return str(error)
    for served in await gather_served(targets_of(node), None, clock=around.clock):
        failure = served.dialled.failure
        if failure is not None:
            return f"{served.dialled.target}: {failure.go_text or failure.text}"
    return ""
