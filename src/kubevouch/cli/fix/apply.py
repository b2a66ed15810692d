"""What `fix --apply` does around the run: say what will be done, ask, show progress and what became of each node."""

from pathlib import Path

from kubevouch.cli.common.armed_record import ArmedRecord
from kubevouch.cli.common.connect import access_of, with_api
from kubevouch.cli.common.plan_file import read_plan
from kubevouch.cli.common.rollout import (
    counted_as,
    named,
    print_next,
    print_result,
    rollout_context,
    stopping,
)
from kubevouch.cli.common.runs import keep_run
from kubevouch.cli.common.ssh_choice import with_ssh_config
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.fix.again import commands_of
from kubevouch.cli.fix.approver_pins import (
    PinsOfPlan,
    pins_of_plan,
    say_which_are_outdated,
    write_pins_of,
)
from kubevouch.cli.fix.ending import tell_who_approves
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import CheckedPlan, check
from kubevouch.rollout.decide.armed import what_is_left_armed
from kubevouch.rollout.decide.intent import how_it_is_undone, vouched_for, what_is_to_be_done
from kubevouch.rollout.decide.next_step import next_after
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.recheck import FoundState
from kubevouch.rollout.decide.result import NodeOutcome, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_NONE_LEFT = "no node is armed: what is done stays done; to go on with the run: `{again}`"


def apply_plan(
    terminal: Terminal,
    path: Path,
    kubeconfig: str | None,
    context: str | None,
    gate_timeout: float,
    *,
    ssh_config: str | None,
    word: OperatorWord,
    yes: bool,
    form: str,
) -> int:
    """Carries out the plan. Everything that can be checked is checked before it asks, and before the first write."""
    plan = with_ssh_config(read_plan(path), ssh_config, terminal)
    access = access_of(terminal, kubeconfig, context)
    timeouts = RolloutTimeouts(gate_timeout)

    async def checking(api: ApiClient, clock: Clock) -> tuple[CheckedPlan, PinsOfPlan]:
        rollout = rollout_context(api, clock, plan, terminal, lambda: False)
        checked = await check(plan, rollout, word)
        left = {name for name, state in checked.found.items() if state is not FoundState.WELL}
        return checked, await pins_of_plan(api, plan, clock, left, checked.client_certificates)

    checked, pins = with_api(terminal, access, checking)
    say_which_are_outdated(terminal, pins)
    if what := what_is_to_be_done(plan, checked.found, writes_config_map=checked.writes_config_map):
        _ask(terminal, checked, f"{what}{pins.intent}, on {named(access)}", timeouts, yes=yes)
        keep_run(plan, terminal.environment)

    commands = commands_of(plan, path, word, terminal.environment)
    armed = ArmedRecord(plan.cluster.cluster_uid, plan.run, terminal)

    async def changing(api: ApiClient, clock: Clock) -> RunResult:
        def left() -> str:
            if armed.node is None:
                return _NONE_LEFT.format(again=commands.again)
            return what_is_left_armed(armed.node, clock.now(), commands.again)

        with stopping(terminal, left) as stop:
            context = rollout_context(api, clock, plan, terminal, stop, armed)
            if what:
                await write_pins_of(api, terminal, pins)
            return await apply(checked, context, timeouts)

    result = with_api(terminal, access, changing)
    lead = "" if what or checked.config_map_kept or result.left_out else "Nothing was left to do."
    so_far = counted_as(result, [NodeOutcome.DONE], "done")
    print_result(terminal, result, form, lead=lead, so_far=so_far)
    if result.exit_code in (ExitCode.OK, ExitCode.COULD_NOT_TELL) and form != "json":
        tell_who_approves(terminal, access)
    print_next(terminal, next_after(result, commands), form)
    return result.exit_code


def _ask(
    terminal: Terminal, checked: CheckedPlan, what: str, timeouts: RolloutTimeouts, *, yes: bool
) -> None:
    """What will be vouched for, what will be left as it is, and how it is undone; then the question."""
    for line in vouched_for(checked.plan, checked.found):
        terminal.note(one_line(line))
    if checked.config_map_kept:
        kept = f"ConfigMap {checked.plan.config_map.name if checked.plan.config_map else ''}"
        terminal.note(one_line(f"{kept} will be left as it is: {checked.config_map_kept}"))
    if checked.inputs.approver_decides:
        terminal.note(
            f"The approver runs: each CSR is left to it for {timeouts.approvers_turn:.0f} s; then this run approves what passes."
        )
    undo = how_it_is_undone(checked.plan, checked.found)
    terminal.confirm(what + (f"; undo with `{terminal.hint(undo)}`" if undo else ""), yes=yes)
