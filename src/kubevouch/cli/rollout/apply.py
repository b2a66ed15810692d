"""The verb `apply`: announces the changes, asks for confirmation, shows the progress, and prints the result for each node."""

import contextlib
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.runs import find_run, keep_run, kept_here, read_plan
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.rollout.approver_pins import (
    PinsOfPlan,
    pins_of_plan,
    write_pins_of,
)
from kubevouch.cli.rollout.context import ask_first, open_context, prepared_pods, run_lease
from kubevouch.cli.rollout.ending import tell_who_approves
from kubevouch.cli.rollout.render import counted_as, print_next, print_result
from kubevouch.cli.rollout.run_log import RunLog, begun_log, ending_logged
from kubevouch.cli.rollout.stopping import stopping
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import Forbidden
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import apply, stopped_at_once
from kubevouch.rollout.act.check import CheckedPlan, check
from kubevouch.rollout.act.lease import LeaseHold, RunLease
from kubevouch.rollout.decide.advice import Argv
from kubevouch.rollout.decide.armed import what_is_left_armed, what_switches_leave
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.intent import (
    how_it_is_undone,
    in_which_order,
    vouched_for,
    what_is_to_be_done,
)
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.next_step import commands_of, next_after
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.recheck import GONE
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock

_NONE_LEFT = "no dead-man's switch is armed; finished nodes stay changed; to continue: `{again}`"


def found_plan(verb: str, given: str, terminal: Terminal) -> tuple[Plan, Path]:
    """The plan of `apply FILE` or `resume RUN`, and the file to suggest for a new plan. Raises UsageError."""
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
    """Carries out or continues the plan. The state of the nodes determines what is left to do.

    All checks come before the prompt and the first write. path: the file to suggest for a new plan. asked: the
    operator's command line.
    """
    lease = run_lease(plan.run, terminal)
    ask_first(terminal, plan, yes=yes)
    terminal.check_can_ask(yes=yes)

    checked, pins = with_api(terminal, access, partial(_checked, terminal, plan, lease, word))

    leading = partial(
        commands_of, plan, str(path), word, kept_here(terminal.environment), asked=asked
    )
    what = what_is_to_be_done(
        checked.plan, checked.found, writes_config_map=checked.writes_config_map
    )
    log = None
    if what:
        question = f"{what}{pins.intent}, on {named(access)}"
        _ask(terminal, checked, question, timeouts, yes=yes)
        keep_run(plan, terminal.environment, timeouts)
        log = begun_log(plan, what, lease, terminal)
    terminal.end_if_dry()
    again = leading().again
    work = partial(_carried_out, terminal, checked, pins, lease, log, timeouts, again)
    with ending_logged(log) as ended:
        result = with_api(terminal, access, work)
        ended(result, result.exit_code)
    lead = "" if what or checked.config_map_kept or result.left_out else "Nothing is left to do."
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
    """Checks the nodes of the plan, and finds the pins that the approver needs. Writes nothing."""
    with contextlib.suppress(Forbidden):  # `check` reports the missing rights
        await lease.wait_until_free(api)
    await prepared_pods(api, plan.pods, terminal)
    context = await open_context(terminal, plan, plan.run, api, clock)
    goes_on = kept_here(terminal.environment)(plan.run)
    checked = await check(plan, context, word, goes_on=goes_on)
    done = (NodeState.DONE, NodeState.FAILED)
    left = {name for name, state in checked.found.items() if state not in done}
    return checked, await pins_of_plan(api, plan, clock, left, checked.client_certificates)


async def _carried_out(
    terminal: Terminal,
    checked: CheckedPlan,
    pins: PinsOfPlan,
    lease: RunLease,
    log: RunLog | None,
    timeouts: RolloutTimeouts,
    again: Argv,
    api: ApiClient,
    clock: Clock,
) -> RunResult:
    """Runs the plan, and returns the result.

    log: None if nothing is left to write. again: the command that continues the run.
    """
    plan = checked.plan
    hold: LeaseHold | None = None

    def left() -> str:
        begun = tuple(hold.armed.values()) if hold else checked.begun
        if not begun:
            return _NONE_LEFT.format(again=terminal.hint(again))
        now = api.server_clock.now()
        return what_is_left_armed(begun, now, again, line=terminal.hint)

    result = stopped_at_once(checked, clock.now())  # before the first node
    with stopping(terminal, left) as stop:
        async with contextlib.AsyncExitStack() as ending:
            if log:
                hold = await ending.enter_async_context(lease.held(api))
                await write_pins_of(api, terminal, pins)
            context = await open_context(
                terminal, plan, plan.run, api, clock, stop=stop, lease=hold, log=log
            )
            result = await apply(checked, context, timeouts)
    return result  # also after a stop while the Lease is released


def _gone(result: RunResult) -> Collection[str]:
    """The nodes that are no longer in the cluster. Suggested commands omit them."""
    left_out = {each.node for each in result.left_out if each.reason == GONE}
    return left_out | {each.node for each in result.nodes if GONE in each.why}


def _ask(
    terminal: Terminal,
    checked: CheckedPlan,
    what: str,
    timeouts: RolloutTimeouts,
    *,
    yes: bool,
) -> None:
    """Prints the order, the values that the operator vouches for, and what stays unchanged.

    Then asks the operator to confirm the run. The prompt includes the undo command.
    """
    lineup = Lineup(checked.plan.nodes, timeouts.soak, checked.found)
    for line in in_which_order(lineup):
        terminal.note(one_line(line))
    for line in vouched_for(checked.plan, checked.found):
        terminal.note(one_line(line))
    if checked.config_map_kept:
        kept = f"ConfigMap {checked.plan.config_map.name if checked.plan.config_map else ''}"
        terminal.note(one_line(f"{kept} stays as it is: {checked.config_map_kept}"))
    for each in checked.away:
        terminal.note(one_line(f"leaving out {each.node}: {each.reason}"))
    if checked.approver_decides:
        terminal.note(
            f"The approver has {timeouts.approvers_turn:.0f} s to approve each CSR. After that, this run approves it if every rule passes."
        )
    undo = how_it_is_undone(
        checked.plan, checked.found, writes_config_map=checked.writes_config_map
    )
    for line in what_switches_leave(checked.begun, SystemClock().now()):
        terminal.note(one_line(line))
    taken_back = f"undo with `{terminal.hint(undo)}`" if undo else "this cannot be undone"
    terminal.confirm(f"{what}; {taken_back}", yes=yes)
