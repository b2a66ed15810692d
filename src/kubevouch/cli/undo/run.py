"""What `undo` does around the run: say what will be done, ask, and show what became of it."""

from shlex import quote

from kubevouch.cli.common.armed_record import forget_armed
from kubevouch.cli.common.connect import access_of, with_api
from kubevouch.cli.common.rollout import (
    counted_as,
    named,
    print_next,
    print_result,
    rollout_context,
    stopping,
)
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.precheck import check_identity
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.intent import what_is_to_be_undone
from kubevouch.rollout.decide.next_step import NextStep
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_LEFT = "an undo that has begun on a node goes on there by itself; to go on with the other nodes: `{again}`"
_AS_BEFORE = (NodeOutcome.UNDONE, NodeOutcome.DONE)


def undo_plan(
    terminal: Terminal,
    word: str,
    plan: Plan,
    kubeconfig: str | None,
    context: str | None,
    gate_timeout: float,
    *,
    yes: bool,
    form: str,
) -> int:
    """Puts every node of the run back. word: how the operator names the run. That the cluster is the plan's is checked before it asks."""
    access = access_of(terminal, kubeconfig, context)
    what = what_is_to_be_undone(plan)
    again = f"kubevouch undo {quote(word)}"
    if not what:
        terminal.note(
            f"Run {plan.run} changed no node: it approved CSRs, and an approval cannot be taken back."
        )
        return ExitCode.OK

    async def checking(api: ApiClient, clock: Clock) -> None:
        advice = f"name the cluster at {plan.cluster.server} by --kubeconfig or --context"
        rollout = rollout_context(api, clock, plan, terminal, lambda: False)
        await check_identity(plan, rollout, advice=advice)

    with_api(terminal, access, checking)
    terminal.confirm(f"{what}, on {named(access)}; a new plan would do it again", yes=yes)

    async def work(api: ApiClient, clock: Clock) -> RunResult:
        with stopping(terminal, lambda: _LEFT.format(again=again)) as stop:
            context = rollout_context(api, clock, plan, terminal, stop)
            return await undo(plan, context, RolloutTimeouts(gate_timeout))

    result = with_api(terminal, access, work)
    as_before = {each.node for each in result.nodes if each.outcome in _AS_BEFORE}
    forget_armed(plan.run, as_before, terminal.environment)
    print_result(terminal, result, form, so_far=counted_as(result, _AS_BEFORE, "as before the run"))
    if len(as_before) == len(result.nodes) and not result.config_map_failed:
        return ExitCode.OK
    print_next(terminal, NextStep(again), form)
    return ExitCode.INTERRUPTED if result.interrupted else ExitCode.STOPPED
