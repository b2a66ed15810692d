"""What `fix --apply` does around the run: say what will be done, ask, show progress and what became of each node."""

from pathlib import Path

from kubevouch.cli.common.connect import access_of, with_api
from kubevouch.cli.common.rollout import print_result, rollout_context, stopping
from kubevouch.cli.common.runs import keep_run
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.make import counted
from kubevouch.diagnose.rules import csrs
from kubevouch.errors import ExitCode
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import CheckedPlan, apply, check
from kubevouch.rollout.act.context import RolloutTimeouts
from kubevouch.rollout.decide.plan import ChangeKind, read_plan
from kubevouch.rollout.decide.result import RunResult


def apply_plan(
    terminal: Terminal,
    path: Path,
    kubeconfig: str | None,
    context: str | None,
    gate_timeout: float,
    *,
    yes: bool,
    form: str,
) -> int:
    """Carries out the plan. Everything that can be checked is checked before it asks, and before the first write."""
    plan = read_plan(path)
    access = access_of(terminal, kubeconfig, context)
    writes = [each for each in plan.nodes if each.change is ChangeKind.BOOTSTRAP]
    changes = f"change {counted(len(writes), 'node')} and " if writes else ""
    what = (
        f"{changes}approve one serving request of each of {counted(len(plan.nodes), 'node')}, on {access.server} "
        f"(context {access.context or 'service account'}); undo with `{terminal.hint(f'kubevouch undo {plan.run}')}`"
    )

    timeouts = RolloutTimeouts(gate_timeout)

    async def checking(api: ApiClient, clock: Clock) -> CheckedPlan:
        context = rollout_context(api, clock, plan, terminal, lambda: False)
        return await check(plan, context, timeouts)

    checked = with_api(terminal, access, checking)
    terminal.confirm(what, yes=yes)
    keep_run(plan, terminal.environment)

    async def changing(api: ApiClient, clock: Clock) -> RunResult:
        with stopping(terminal) as stop:
            return await apply(checked, rollout_context(api, clock, plan, terminal, stop), timeouts)

    result = with_api(terminal, access, changing)
    print_result(terminal, result, form)
    if result.exit_code is ExitCode.OK:
        _tell_the_fuse(terminal, with_api(terminal, access, _fuse))
    return result.exit_code


async def _fuse(api: ApiClient, clock: Clock) -> str:
    """What happens if no approver runs; empty where one does."""
    try:
        found = diagnose(await gather(api, clock=clock), (csrs.rotation_will_stall,)).findings
    except KubeError:
        return ""
    return found[0].title if found else ""


def _tell_the_fuse(terminal: Terminal, text: str) -> None:
    if text:
        terminal.out(f"{Code.ROTATION_WILL_STALL}  {text}")
        by_hand = terminal.hint("kubevouch csr list")
        terminal.out(f"       Run an approver before then, or approve by hand: {by_hand}")
