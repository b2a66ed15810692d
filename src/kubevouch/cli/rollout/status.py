"""What `status` does: shows where runs stand, read off the nodes. It reads only."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kubevouch.cli.common.armed_record import forget_ended
from kubevouch.cli.common.connect import access_of, with_api
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.pods import prepared_pods
from kubevouch.cli.common.rollout import transport_of
from kubevouch.cli.common.run_history import as_known_here
from kubevouch.cli.common.runs import find_run, goes_on_here, kept_plans, kept_run
from kubevouch.cli.common.ssh_choice import ask_for_sudo, with_ssh_config
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.known_here import (
    in_hand_without_a_node,
    reached_here,
    stopped_here,
    stopped_undo_here,
    through_here,
    times_here,
    with_what_was_known_here,
)
from kubevouch.cli.rollout.refusal import leading_on
from kubevouch.clock import Clock
from kubevouch.errors import UsageError, nearest
from kubevouch.evidence.gather.run_holder import gather_run_holder
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import ApiUnreachable, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.make_plan import NodeOptions
from kubevouch.rollout.act.precheck import refuse_another_cluster
from kubevouch.rollout.act.status import (
    StatusTarget,
    gather_statuses,
    live_target,
    planned_target,
)
from kubevouch.rollout.decide.intent import what_pods_are
from kubevouch.rollout.decide.next_for_status import (
    exit_code_of,
    next_for_status,
    status_of,
    who_writes,
)
from kubevouch.rollout.decide.next_step import shows_an_answer
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.reaching import WayToNodes, way_of
from kubevouch.rollout.decide.run_status import RunOnNode, while_it_is_undone
from kubevouch.rollout.decide.stopped_run import StoppedRun
from kubevouch.rollout.decide.stopped_undo import StoppedUndo

SCHEMA = "kubevouch.status/1"


def show_status(
    terminal: Terminal,
    word: str,
    options: NodeOptions,
    kubeconfig: str | None,
    context: str | None,
    ssh_config: str | None,
    *,
    yes: bool,
) -> int:
    """word: the run, or its plan's file; empty for whatever stands on the nodes of the cluster.

    A plan that is here says which nodes are asked, and how they are reached; ssh_config takes the place of its own. Without one
    it is all nodes of the cluster, and the options.
    """
    plan = _plan_of(word, ssh_config, terminal)
    run = plan.run if plan else word
    access = access_of(terminal, kubeconfig, context)
    if plan.ask_sudo_password if plan else options.ask_sudo_password:
        ask_for_sudo(terminal, plan.ssh_user if plan else options.ssh_user)
    if plan and plan.pods:  # whoever wrote the plan chose the image, which runs as root
        terminal.confirm(f"look at the plan's nodes by {what_pods_are(plan.pods)}", yes=yes)

    async def work(api: ApiClient, clock: Clock) -> _Asked:
        if plan:  # whose Lease is read is whose nodes are asked
            await refuse_another_cluster(plan, api)
        await prepared_pods(api, plan.pods if plan else options.pods, terminal)
        transport = transport_of(plan or options, run or "status", terminal, api, clock)
        if plan:
            targets = [planned_target(each) for each in plan.nodes]
        else:
            targets = [live_target(each) for each in await api.list_all(NODES)]
            targets += await in_hand_without_a_node(targets, api, clock, terminal)
        asked = await gather_statuses(_only(targets, options.nodes), run, transport, others=True)
        statuses, uid = await with_what_was_known_here(asked, plan, api, clock, terminal)
        try:
            return _Asked(statuses, uid, await gather_run_holder(api))
        except KubeError as error:
            return _Asked(statuses, uid, failed=error)

    with contextlib.ExitStack() as refused:
        if plan:
            some = ("--nodes", ",".join(options.nodes)) if options.nodes else ()
            asked = ("kubevouch", "status", word, *some)
            refused.enter_context(
                leading_on(
                    terminal, plan, Path("plan.json"), asked, OperatorWord(), kubeconfig, context
                )
            )
        else:
            refused.enter_context(_leading_to_a_kept_run(access, options.nodes, terminal))
        found = with_api(terminal, access, work)
    statuses, failed = found.statuses, found.failed
    holder = found.holder and as_known_here(found.holder, terminal.environment)
    if not failed and not (holder and holder.is_alive):
        settled = holder is None or holder.is_silent
        forget_ended(statuses, found.uid, terminal.environment, settled=settled)
    undo = None if holder else stopped_undo_here(statuses, terminal)
    stopped = None if run or holder or undo else stopped_here(statuses, terminal, found.uid)
    undoing = holder.run if holder and holder.undoes else undo.run if undo else ""
    under_way = holder is not None and holder.is_alive
    statuses = while_it_is_undone(statuses, undoing, under_way=under_way)
    doubt, away = (str(failed), shows_an_answer(failed)) if failed else ("", "")
    told = _Found(run, statuses, holder, doubt, away, undo, stopped)
    if terminal.prints_json:
        print_document(terminal, SCHEMA, told.document())
    else:
        way = way_of(plan) if plan else WayToNodes(options.via)
        file = word if plan and not goes_on_here(plan.run, terminal.environment) else ""
        reached = {} if word or ssh_config else _reached(found, options, terminal)
        _print(terminal, told, options.nodes, way, file, reached)
    return exit_code_of(statuses)


@dataclass(frozen=True)
class _Asked:
    """What nodes and API server have said. uid: of the cluster; empty where it does not matter. failed: why the holder is not known."""

    statuses: tuple[RunOnNode, ...]
    uid: str
    holder: RunHolder | None = None
    failed: KubeError | None = None


@dataclass(frozen=True)
class _Found:
    """run: that was asked for. doubt: why it is not known who holds the Lease. undo: that was stopped here.

    away: where the API server did not answer, the command that shows whether it does by now. stopped: the run that was, where none was asked for and none is under way: what comes next is then its going on.
    """

    run: str
    statuses: tuple[RunOnNode, ...]
    holder: RunHolder | None
    doubt: str
    away: str
    undo: StoppedUndo | None
    stopped: StoppedRun | None

    def document(self) -> Mapping[str, object]:
        """For programs."""
        holder, undo = self.holder, self.undo
        return {
            "run": self.run,
            "nodes": msgspec.to_builtins(self.statuses),
            "holder": holder.identity if holder else "",
            "holderIsAlive": None if self.doubt else bool(holder and holder.is_alive),
            "holderUndoes": bool(holder and holder.undoes),
            "holderDoubt": self.doubt,
            "stopped": self.stopped.run if self.stopped else "",
            "stoppedUndo": (
                {"run": undo.run, "left": undo.left, "configMap": undo.config_map} if undo else None
            ),
        }


def _reached(found: _Asked, options: NodeOptions, terminal: Terminal) -> Mapping[str, str]:
    """By node that could not be asked: the run whose plan, kept here, goes there in another way. None where somebody has said how to go.

    A configuration of the environment ($KUBEVOUCH_SSH_CONFIG) is not said for these nodes.
    """
    if options.via != "ssh" or options.ssh_user or options.ask_sudo_password:
        return {}
    first = found.holder.run if found.holder else ""
    tried = WayToNodes(ssh_config=options.ssh_config)
    return reached_here(found.statuses, tried, found.uid, first, terminal.environment)


@contextlib.contextmanager
def _leading_to_a_kept_run(
    access: ClusterAccess, nodes: Sequence[str], terminal: Terminal
) -> Iterator[None]:
    """While the API server is away, the nodes of a run whose plan is here can be asked all the same: the newest of that server.

    nodes: only these were asked for.
    """
    try:
        yield
    except ApiUnreachable as error:
        plans = (plan for _, plan in kept_plans(terminal.environment) if plan)
        plan = next((each for each in plans if each.cluster.server == access.server), None)
        known = {each.node for each in plan.nodes} if plan else set()
        some = [each for each in nodes if each in known]
        error.leads_on = (status_of(plan.run, some) if plan else "kubectl get --raw /readyz",)
        raise


def _plan_of(word: str, ssh_config: str | None, terminal: Terminal) -> Plan | None:
    """The plan of the run, if it is here. Raises UsageError for a word that is neither a run's name nor a plan's file."""
    kept = word and kept_run(word, terminal.environment)
    if word and (kept or not re.fullmatch(RUN_NAME, word)):
        found = find_run(word, terminal.environment, f"status {word}")
        return with_ssh_config(found, ssh_config, terminal)
    return None


def _only(targets: Sequence[StatusTarget], nodes: Sequence[str]) -> list[StatusTarget]:
    known = [each.node for each in targets]
    for name in nodes:
        if name not in known:
            raise UsageError(name, "there is no such Node", nearest(name, known, otherwise=""))
    return [each for each in targets if not nodes or each.node in nodes]


def _print(
    terminal: Terminal,
    found: _Found,
    nodes: Sequence[str],
    way: WayToNodes,
    file: str,
    reached: Mapping[str, str],
) -> None:
    """nodes: only these were asked for. way: how they were. file: of the run's plan, where it is not kept here. reached: by node, the run whose plan goes there otherwise."""
    rows = [
        (
            each.node,
            each.run,
            str(each.standing),
            each.switch,
            each.boot_net,
            "; ".join(each.notes),
        )
        for each in found.statuses
    ]
    statuses, holder, doubt, run = found.statuses, found.holder, found.doubt, found.run
    terminal.table(("NODE", "RUN", "STATE", "SWITCH", "BOOT NET", "NOTES"), rows)
    terminal.long_line(f"Under way  {who_writes(holder, statuses, doubt)}", hang=11)
    if stopped := found.undo or found.stopped:
        terminal.long_line(f"Stopped    {stopped}", hang=11)
        run = run or stopped.run
    asked = {run, *(each.run for each in statuses), *([holder.run] if holder else [])}
    kept = frozenset(each for each in asked if goes_on_here(each, terminal.environment))
    command, note = next_for_status(
        statuses,
        run,
        holder,
        kept,
        doubt=doubt,
        away=found.away,
        undo=found.undo,
        nodes=nodes,
        way=way,
        file=file,
        reached=reached,
        times=times_here(kept, terminal.environment),
        through=through_here(kept, terminal.environment),
    )
    if note:
        terminal.long_line(f"           {terminal.hinted(note)}", hang=11)
    terminal.command("NEXT       ", command)
