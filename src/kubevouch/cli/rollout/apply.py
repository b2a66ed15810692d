"""What `apply` does around the run: say what will be done, ask, show progress and what became of each node."""

import contextlib
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.rollout import (
    ask_first,
    counted_as,
    prepared_pods,
    print_next,
    print_result,
    rollout_context,
    run_lease,
    stopping,
    written_nodes,
)
from kubevouch.cli.common.run_log import begun_log, ending_logged
from kubevouch.cli.common.runs import find_run, keep_run, kept_here, read_plan
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.rollout.approver_pins import (
    PinsOfPlan,
    pins_of_plan,
    write_pins_of,
)
from kubevouch.cli.rollout.ending import tell_who_approves
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import Forbidden
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import apply, stopped_at_once
from kubevouch.rollout.act.check import CheckedPlan, check
from kubevouch.rollout.act.lease import LeaseHold, RunLease
from kubevouch.rollout.act.node_turn import begun_before
from kubevouch.rollout.decide.armed import what_is_left_armed, what_switches_leave
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.intent import (
    how_it_is_undone,
    in_which_order,
    vouched_for,
    what_is_to_be_done,
)
from kubevouch.rollout.decide.lineup import lineup_of
from kubevouch.rollout.decide.next_step import commands_of, next_after
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.recheck import GONE
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock

_NONE_LEFT = "no node is armed: what is done stays done; to go on with the run: `{again}`"


def found_plan(verb: str, given: str, terminal: Terminal) -> tuple[Plan, Path]:
    """The plan of `apply FILE` or `resume RUN`, and the file in which a new one would be made. Raises UsageError."""
    if verb == "apply":
        return read_plan(Path(given)), Path(given)
    return find_run(given, terminal.environment, f"{verb} {given}"), Path("plan.json")


def apply_plan(
    terminal: Terminal,
    access: ClusterAccess,
    plan: Plan,
    path: Path,
    timeouts: RolloutTimeouts,
    *,
    asked: Sequence[str],
    word: OperatorWord,
    yes: bool,
) -> int:
    """Carries out the plan, or goes on with it: what is left to do is read off the nodes, whoever has begun.

    Everything that can be checked is checked before it asks, and before the first write. path: of a new plan, should it take one.
    asked: the command that carries this one out.
    """
    lease = run_lease(plan.run, terminal)
    ask_first(terminal, plan, yes=yes)
    terminal.check_can_ask(yes=yes)

    checked, pins = with_api(terminal, access, partial(_checked, terminal, plan, lease, word))

    leading = partial(
        commands_of, plan, str(path), word, kept_here(terminal.environment), asked=asked
    )
    begun = list(begun_before(checked, timeouts).values())
    what = what_is_to_be_done(
        checked.plan, checked.found, writes_config_map=checked.writes_config_map
    )
    log = None
    if what:
        question = f"{what}{pins.intent}, on {named(access)}"
        _ask(terminal, checked, question, timeouts, begun, yes=yes)
        keep_run(plan, terminal.environment, timeouts)
        log = begun_log(plan, what, lease, terminal)
    commands = leading()

    async def changing(api: ApiClient, clock: Clock) -> RunResult:
        held: list[LeaseHold] = []

        def left() -> str:
            armed = [each for hold in held for each in hold.armed.values() if each.run == plan.run]
            armed = armed if held else begun
            if not armed:
                return _NONE_LEFT.format(again=terminal.hint(commands.again))
            now = api.server_clock.now()
            return what_is_left_armed(armed, now, commands.again, line=terminal.hint)

        async def carried_out(hold: LeaseHold | None) -> RunResult:
            written = await written_nodes(api, clock, plan.pods)
            context = rollout_context(api, clock, plan, terminal, stop, written, hold, log)
            return await apply(checked, context, timeouts)

        result = stopped_at_once(checked, timeouts, clock.now())  # before any node has had its turn
        with stopping(terminal, left) as stop:
            if not what:
                result = await carried_out(None)
            else:
                async with lease.held(api) as hold:
                    held.append(hold)
                    await write_pins_of(api, terminal, pins)
                    result = await carried_out(hold)
        return result  # also if it is stopped while the Lease is given back

    with ending_logged(log) as ended:
        result = with_api(terminal, access, changing)
        ended(result, result.exit_code)
    lead = "" if what or checked.config_map_kept or result.left_out else "Nothing was left to do."
    so_far = counted_as(result, [NodeState.DONE], "done")
    print_result(terminal, result, lead=lead, so_far=so_far, log=log)
    if result.exit_code in (ExitCode.OK, ExitCode.COULD_NOT_TELL):
        tell_who_approves(terminal, access)
    print_next(terminal, next_after(result, leading(gone=_gone(result))))
    return result.exit_code


async def _checked(
    terminal: Terminal,
    plan: Plan,
    lease: RunLease,
    word: OperatorWord,
    api: ApiClient,
    clock: Clock,
) -> tuple[CheckedPlan, PinsOfPlan]:
    """How the nodes of the plan are found, and the pins that the approver needs for it; nothing is written."""
    with contextlib.suppress(Forbidden):  # the check tells which rights are lacking
        await lease.wait_until_free(api)
    await prepared_pods(api, plan.pods, terminal)
    written = await written_nodes(api, clock, plan.pods)
    rollout = rollout_context(api, clock, plan, terminal, lambda: False, written)
    goes_on = kept_here(terminal.environment)(plan.run)
    checked = await check(plan, rollout, word, goes_on=goes_on)
    done = (NodeState.DONE, NodeState.FAILED)
    left = {name for name, state in checked.found.items() if state not in done}
    return checked, await pins_of_plan(api, plan, clock, left, checked.client_certificates)


def _gone(result: RunResult) -> Collection[str]:
    """Nodes that the cluster does not have any more: no command can name them."""
    left_out = {each.node for each in result.left_out if each.reason == GONE}
    return left_out | {each.node for each in result.nodes if GONE in each.why}


def _ask(
    terminal: Terminal,
    checked: CheckedPlan,
    what: str,
    timeouts: RolloutTimeouts,
    begun: Sequence[ArmedNode],
    *,
    yes: bool,
) -> None:
    """In which order, what will be vouched for, what will be left as it is, and how it is undone; then the question."""
    lineup = lineup_of(checked.plan.nodes, checked.found, timeouts.soak)
    for line in in_which_order(lineup):
        terminal.note(one_line(line))
    for line in vouched_for(checked.plan, checked.found):
        terminal.note(one_line(line))
    if checked.config_map_kept:
        kept = f"ConfigMap {checked.plan.config_map.name if checked.plan.config_map else ''}"
        terminal.note(one_line(f"{kept} will be left as it is: {checked.config_map_kept}"))
    for each in checked.away:
        terminal.note(one_line(f"goes without {each.node}: {each.reason}"))
    if checked.inputs.approver_decides:
        terminal.note(
            f"The approver runs: each CSR is left to it for {timeouts.approvers_turn:.0f} s; then this run approves what passes."
        )
    undo = how_it_is_undone(
        checked.plan, checked.found, writes_config_map=checked.writes_config_map
    )
    for line in what_switches_leave(begun, SystemClock().now()):
        terminal.note(one_line(line))
    terminal.confirm(what + (f"; undo with `{terminal.hint(undo)}`" if undo else ""), yes=yes)
