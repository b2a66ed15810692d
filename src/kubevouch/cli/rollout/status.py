"""`status`: shows the state of runs on the nodes, and the runs stored on this machine.

With --via pod, it creates pods; otherwise it changes nothing.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import join

import msgspec

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.legend import RUNS
from kubevouch.cli.common.runs import find_run, kept_here, kept_plans, kept_run
from kubevouch.cli.common.ssh import ask_for_sudo
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.context import ask_first, prepared_pods, transport_of
from kubevouch.cli.rollout.ending import leading_on
from kubevouch.cli.rollout.render import print_next
from kubevouch.cli.rollout.ssh_config import with_ssh_config
from kubevouch.clock import Clock
from kubevouch.diagnose.make import counted
from kubevouch.errors import UsageError, full_names, nearest
from kubevouch.evidence.gather.identity import gather_run_lease
from kubevouch.evidence.run_holder import SeenLease
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import ApiUnreachable, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.precheck import refuse_another_cluster
from kubevouch.rollout.act.status import (
    StatusTarget,
    gather_statuses,
    live_target,
    planned_target,
)
from kubevouch.rollout.decide.advice import STATUS, some
from kubevouch.rollout.decide.next_for_status import (
    StatusFacts,
    exit_code_of,
    next_for_status,
    who_writes,
)
from kubevouch.rollout.decide.next_step import shows_an_answer
from kubevouch.rollout.decide.plan import NodeOptions, Plan
from kubevouch.rollout.decide.run_status import RunOnNode, while_it_is_undone, with_the_lease

SCHEMA = "kubevouch.status/1"


def show_status(
    terminal: Terminal,
    access: ClusterAccess,
    word: str,
    options: NodeOptions,
    ssh_config: str | None,
    *,
    yes: bool,
) -> int:
    """Shows the state of a run. word: the run, or its plan's file; empty for every run on the nodes.

    A stored plan determines which nodes to read and how to connect to them; ssh_config replaces the plan's ssh
    configuration. Without a plan, `status` reads all nodes of the cluster, and `options` determines
    how to connect to them.
    """
    plan = _plan_of(word, ssh_config, terminal)
    run = plan.run if plan else word
    if plan:
        ask_first(terminal, plan, yes=yes)
    elif options.ask_sudo_password:
        ask_for_sudo(terminal, options.ssh_user)

    async def work(api: ApiClient, clock: Clock) -> _Answers:
        if plan:  # Lease and nodes must belong to the same cluster
            await refuse_another_cluster(plan, api)
        await prepared_pods(api, plan.pods if plan else options.pods, terminal)
        transport = transport_of(plan or options, run or "status", terminal, api, clock)
        targets = (
            [planned_target(each) for each in plan.nodes]
            if plan
            else [live_target(each, options.via) for each in await api.list_all(NODES)]
        )
        statuses = await gather_statuses(_only(targets, options.only), run, transport, others=True)
        try:
            lease, failed = await gather_run_lease(api), None
        except KubeError as error:
            lease, failed = SeenLease(), error
        return _Answers(statuses, lease, api.server_clock.now(), failed)

    asked = (*STATUS, word, *some(options.only))
    with (
        leading_on(terminal, plan, Path("plan.json"), asked)
        if plan
        else _suggesting_a_stored_run(access, options.only, terminal)
    ):
        found = with_api(terminal, access, work)
    if terminal.document_form:
        print_document(terminal, SCHEMA, _document(run, found, terminal))
    else:
        _print(terminal, found, run, word, options, plan)
    return exit_code_of(found.rows)


@dataclass(frozen=True)
class _Answers:
    """The states that the nodes and the API server reported.

    at: the API server's time. failed: why the Lease is unknown; None if it is known.
    """

    statuses: tuple[RunOnNode, ...]
    lease: SeenLease
    at: datetime
    failed: KubeError | None

    @property
    def rows(self) -> tuple[RunOnNode, ...]:
        """A row for each node and run. For unreachable nodes, the facts come from the Lease."""
        holder = self.lease.holder
        undone = holder.run if holder and holder.undoes else ""
        rows = with_the_lease(self.statuses, self.lease.armed, self.at)
        alive = holder is not None and holder.is_alive
        return while_it_is_undone(rows, undone, alive=alive)

    @property
    def doubt(self) -> str:
        """Why the holder of the Lease is unknown, or an empty string."""
        return str(self.failed) if self.failed else ""


def _document(run: str, found: _Answers, terminal: Terminal) -> Mapping[str, object]:
    holder = found.lease.holder
    return {
        "run": run,
        "nodes": msgspec.to_builtins(found.rows),
        "holder": holder.identity if holder else "",
        "holderIsAlive": None if found.failed else bool(holder and holder.is_alive),
        "holderUndoes": bool(holder and holder.undoes),
        "holderDoubt": found.doubt,
        "kept": [path.stem for path, _ in kept_plans(terminal.environment)],
    }


@contextlib.contextmanager
def _suggesting_a_stored_run(
    access: ClusterAccess, nodes: Sequence[str], terminal: Terminal
) -> Iterator[None]:
    """If the API server does not answer, suggests `status` for this cluster's newest stored run.

    That run's nodes may answer even then.

    nodes: the selected nodes; empty means all.
    """
    try:
        yield
    except ApiUnreachable as error:
        plans = (plan for _, plan in kept_plans(terminal.environment) if plan)
        plan = next((each for each in plans if each.cluster.server == access.server), None)
        known = {each.node for each in plan.nodes} if plan else set()
        named = [each for each in full_names(nodes, known) if each in known]
        looks = join([*STATUS, plan.run, *some(named)]) if plan else "kubectl get --raw /readyz"
        error.leads_on = (looks,)
        raise


def _plan_of(word: str, ssh_config: str | None, terminal: Terminal) -> Plan | None:
    """The plan that `word` names; None without a word, or if the run's plan is not stored on this machine.

    Raises UsageError for a word that is neither the name of a run nor a plan's file.
    """
    kept = word and kept_run(word, terminal.environment)
    if word and (kept or not re.fullmatch(RUN_NAME, word)):
        found = find_run(word, terminal.environment, join([*STATUS, word]).partition(" ")[2])
        return with_ssh_config(found, ssh_config, terminal)
    return None


def _only(targets: Sequence[StatusTarget], nodes: Sequence[str]) -> list[StatusTarget]:
    known = [each.node for each in targets]
    wanted = full_names(nodes, known)
    for name in wanted:
        if name not in known:
            raise UsageError(name, "unknown node", nearest(name, known, otherwise=""))
    return [each for each in targets if not wanted or each.node in wanted]


def _print(
    terminal: Terminal,
    found: _Answers,
    run: str,
    word: str,
    options: NodeOptions,
    plan: Plan | None,
) -> None:
    """Prints the result as text. word: the run as the operator named it; empty for every run on the nodes."""
    rows, is_kept = found.rows, kept_here(terminal.environment)
    terminal.table(tuple(RUNS), list(map(_row, rows)))
    if not word:
        _print_stored(terminal)
    holder = found.lease.holder
    terminal.long_line(f"Running    {who_writes(holder, found.doubt)}", hang=11)
    named = [run, *(each.run for each in rows), *([holder.run] if holder else [])]
    kept = frozenset(filter(is_kept, named))
    plans = (each for _, each in kept_plans(terminal.environment) if each)
    newest = next((each for each in plans if each.run in kept), None)
    shown = plan or (None if run else newest)
    after = next_for_status(
        StatusFacts(
            rows,
            run,
            holder,
            kept,
            newest=newest.run if newest else "",
            planned=[each.node for each in shown.nodes if each.writes] if shown else None,
            nodes=options.only,
            way=plan or options,
            file=word if plan and plan.run not in kept else "",
            away=shows_an_answer(found.failed) if found.failed else "",
        )
    )
    print_next(terminal, after, 11)


def _row(each: RunOnNode) -> tuple[str, ...]:
    notes = "; ".join(each.notes)
    return each.node, each.run, str(each.state), each.switch, each.boot_net, notes


def _print_stored(terminal: Terminal) -> None:
    """Prints a line for each run that started on this machine, newest first."""
    for path, plan in kept_plans(terminal.environment):
        what = "its plan is unreadable"
        if plan:
            where = " at ".join(filter(None, (plan.cluster.context, plan.cluster.server)))
            count = counted(len(plan.nodes), "node")
            what = f"planned {plan.made_at:%Y-%m-%d %H:%M} UTC, {count} of {where}"
        terminal.long_line(f"Stored     {path.stem}: {what}", hang=11)
