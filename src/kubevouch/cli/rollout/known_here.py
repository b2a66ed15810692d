"""What this machine knows of the runs that were begun here, for `status`: by their plans and logs. It reads only."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from kubevouch.cli.common.armed_record import armed_on, has_in_hand, in_hand_besides
from kubevouch.cli.common.run_history import (
    has_run_begun_since,
    is_through,
    last_end_of,
    times_of,
    undos_in,
)
from kubevouch.cli.common.runs import kept_plan, kept_plans
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.evidence.gather.identity import cluster_uid
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.status import StatusTarget, planned_target
from kubevouch.rollout.decide.armed import with_what_was_known
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.reaching import WayToNodes, reached_otherwise
from kubevouch.rollout.decide.run_status import RunOnNode, Standing
from kubevouch.rollout.decide.stopped_run import StoppedRun, stopped_by_result, stopped_run
from kubevouch.rollout.decide.stopped_undo import StoppedUndo, put_back_by, stopped_undo
from kubevouch.rollout.decide.timeouts import RolloutTimeouts


def reached_here(
    statuses: Sequence[RunOnNode],
    tried: WayToNodes,
    cluster_uid: str,
    first: str,
    environment: Mapping[str, str],
) -> Mapping[str, str]:
    """By node that could not be asked as was tried: the run whose plan, kept here, goes there in another way. first: of two, this run."""
    if not cluster_uid or not any(each.standing is Standing.UNKNOWN for each in statuses):
        return {}
    every = (plan for _, plan in kept_plans(environment) if plan)
    plans = [plan for plan in every if plan.cluster.cluster_uid == cluster_uid]
    return reached_otherwise(statuses, tried, plans, first)


def times_here(
    runs: Collection[str], environment: Mapping[str, str]
) -> Mapping[str, RolloutTimeouts]:
    """By run, those that it was last carried out with from here."""
    found = {run: times_of(run, environment) for run in runs}
    return {run: times for run, times in found.items() if times}


def stopped_here(
    statuses: Sequence[RunOnNode], terminal: Terminal, cluster_uid: str = ""
) -> StoppedRun | None:
    """The run of this machine, if any, that was stopped before it had begun on each of these nodes that it was to change.

    A run that has come to its end, or was put back somewhere, is not meant; its log tells that also of a node that was not asked. Where
    none of them could be asked, the logs of that cluster's runs decide; of a cluster whose UID is not known nothing is told.
    """
    environment = terminal.environment
    if statuses and all(each.standing is Standing.UNKNOWN for each in statuses):
        return _stopped_by_logs(cluster_uid, environment)
    found = {each.run: kept_plan(each.run, environment) for each in statuses}
    plans = [plan for plan in found.values() if plan is not None]
    return stopped_run(statuses, [each for each in plans if not _has_ended(each.run, environment)])


def _has_ended(run: str, environment: Mapping[str, str]) -> bool:
    """Whether it does not go on by itself, by its log: it was put back somewhere, or came to its end on every node.

    A node on which such a run has no record may have needed nothing then, and what others made of it since is theirs.
    """
    return bool(put_back_by(undos_in(run, environment))) or is_through(run, environment)


def through_here(runs: Collection[str], environment: Mapping[str, str]) -> frozenset[str]:
    """Those of these runs that ended here with every node of their plans done."""
    return frozenset(run for run in runs if is_through(run, environment))


def _stopped_by_logs(cluster_uid: str, environment: Mapping[str, str]) -> StoppedRun | None:
    for _, plan in kept_plans(environment):
        if plan is None or plan.cluster.cluster_uid != cluster_uid:
            continue
        end = last_end_of(plan.run, environment)
        stopped = stopped_by_result(end[1]) if end else None
        if end and stopped and not has_run_begun_since(end[0], cluster_uid, environment):
            return stopped
    return None


def stopped_undo_here(statuses: Sequence[RunOnNode], terminal: Terminal) -> StoppedUndo | None:
    """The undo, if any, that was stopped on this machine before it had put all its nodes back: the last one.

    None that was stopped before another run was begun here: whoever began that has decided anew.
    """
    environment = terminal.environment
    found: list[tuple[datetime, StoppedUndo]] = []
    for run in dict.fromkeys(each.run for each in statuses if each.run):
        plan = kept_plan(run, environment)
        undos = undos_in(run, environment) if plan else ()
        if plan is None or not undos:
            continue
        undo = stopped_undo(statuses, undos, has_config_map=plan.config_map is not None)
        ended = undos[-1].ended
        if undo and not has_run_begun_since(ended, plan.cluster.cluster_uid, environment):
            found.append((ended, undo))
    return max(found, key=lambda each: each[0])[1] if found else None


async def in_hand_without_a_node(
    targets: Sequence[StatusTarget], api: ApiClient, clock: Clock, terminal: Terminal
) -> list[StatusTarget]:
    """What runs of this machine have in hand on this cluster, and the API server names no more: it may be armed all the same."""
    found = in_hand_besides({each.node for each in targets}, clock.now(), terminal.environment)
    uid = await cluster_uid(api) if found else ""
    return [planned_target(node) for of, node in found if of == uid]


async def with_what_was_known_here(
    asked: tuple[RunOnNode, ...],
    plan: Plan | None,
    api: ApiClient,
    clock: Clock,
    terminal: Terminal,
) -> tuple[tuple[RunOnNode, ...], str]:
    """The rows, and the UID of the cluster. Which it is has to be told only where a node was silent, or is in hand here; where it cannot be, no record is of it."""
    uid = plan.cluster.cluster_uid if plan else ""
    environment = terminal.environment
    silent = any(each.standing is Standing.UNKNOWN for each in asked)
    if plan is None and (silent or has_in_hand({each.node for each in asked}, environment)):
        with contextlib.suppress(KubeError):
            uid = await cluster_uid(api)
    return with_what_was_known(asked, armed_on(uid, environment), clock.now()), uid
