"""The verb `undo`: announces the changes, asks for confirmation, and shows the result."""

import contextlib
from collections.abc import Sequence

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.ssh import ask_for_sudo
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.rollout.context import open_context, prepared_pods, run_lease
from kubevouch.cli.rollout.render import counted_as, print_next, print_result
from kubevouch.cli.rollout.run_log import begun_log, ending_logged
from kubevouch.cli.rollout.stopping import stopping
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import Forbidden
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.lease import LeaseHold
from kubevouch.rollout.act.precheck import check_identity
from kubevouch.rollout.act.undo import nothing_undone, undo
from kubevouch.rollout.decide.advice import Argv
from kubevouch.rollout.decide.intent import (
    what_comes_back,
    what_is_set_aside,
    what_is_to_be_undone,
    what_pods_are,
)
from kubevouch.rollout.decide.next_step import next_after_undo
from kubevouch.rollout.decide.plan import Plan, only_nodes
from kubevouch.rollout.decide.result import AS_BEFORE, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_LEFT = "an undo that has started continues on its node; to undo the other nodes: `{again}`"
_WITHOUT_LEASE = "{}; continuing without the Lease; only each node's lock keeps other runs away"


def undo_plan(
    terminal: Terminal,
    access: ClusterAccess,
    plan: Plan,
    again: Argv,
    nodes: Sequence[str],
    gate_timeout: float,
    *,
    yes: bool,
) -> int:
    """Restores every node of the run, or only `nodes`. First checks that this is the plan's cluster.

    again: the command that repeats this undo.
    """
    plan = only_nodes(plan, nodes) if nodes else plan
    what = what_is_to_be_undone(plan)
    if not what:
        terminal.note(_nothing_to_undo(plan, nodes))
        return ExitCode.OK

    terminal.check_can_ask(yes=yes)
    if plan.ask_sudo_password:
        ask_for_sudo(terminal, plan.ssh_user)
    lease = run_lease(plan.run, terminal, undoes=True, nodes=nodes)

    async def checking(api: ApiClient, clock: Clock) -> None:
        context = await open_context(terminal, plan, plan.run, api, clock, reads_pins=False)
        await check_identity(plan, context)
        with contextlib.suppress(Forbidden):
            await lease.wait_until_free(api)

    with_api(terminal, access, checking)
    if plan.pods:
        what += f", by {what_pods_are(plan.pods)}"
    after = "; ".join(
        filter(None, (what_comes_back(plan), "a new plan would make the changes again"))
    )
    terminal.confirm(f"{what}, on {named(access)}; {after}", yes=yes)
    log = begun_log(plan, what, lease, terminal)

    async def work(api: ApiClient, clock: Clock) -> RunResult:
        result = nothing_undone(plan)  # in case of a stop before the first node
        with stopping(terminal, lambda: _LEFT.format(again=terminal.hint(again))) as stop:
            async with contextlib.AsyncExitStack() as ending:
                hold: LeaseHold | None = None
                try:
                    hold = await ending.enter_async_context(lease.held(api))
                except Forbidden as error:
                    terminal.note(one_line(_WITHOUT_LEASE.format(error)))
                await prepared_pods(api, plan.pods, terminal)
                context = await open_context(
                    terminal,
                    plan,
                    plan.run,
                    api,
                    clock,
                    stop=stop,
                    lease=hold,
                    log=log,
                    reads_pins=False,
                )
                result = await undo(plan, context, RolloutTimeouts(gate_timeout))
        return result  # also after a stop while the Lease is released

    with ending_logged(log) as ended:
        result = with_api(terminal, access, work)
        as_before = {each.node for each in result.nodes if each.state in AS_BEFORE}
        code = _exit_code(result, as_before)
        ended(result, code)
    so_far = counted_as(result, AS_BEFORE, "as before the run")
    print_result(terminal, result, so_far=so_far, log=log)
    _print_set_aside(terminal, plan, result)
    print_next(terminal, next_after_undo(result, again))
    return code


def _nothing_to_undo(plan: Plan, nodes: Sequence[str]) -> str:
    """The message for a plan with nothing to restore. nodes: the selected nodes; empty means all."""
    none = f"none of {', '.join(nodes)}" if nodes else "no node"
    why = ": it approved CSRs, and an approval cannot be undone" if plan.nodes else ""
    return f"According to its plan, run {plan.run} changed {none}{why}."


def _print_set_aside(terminal: Terminal, plan: Plan, result: RunResult) -> None:
    """Prints where the undo has moved the certificates that kubelets received since the run."""
    put_back = {each.node for each in result.nodes if each.state is NodeState.UNDONE}
    aside = what_is_set_aside(plan, put_back)
    if aside:
        terminal.long_line(f"Moved to {aside}", hang=9)


def _exit_code(result: RunResult, as_before: set[str]) -> ExitCode:
    if len(as_before) == len(result.nodes) and not result.config_map.failed:
        return ExitCode.OK
    return ExitCode.INTERRUPTED if result.interrupted else ExitCode.STOPPED
