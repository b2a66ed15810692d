"""What `fix --apply` and `undo` do around the run: say what will be done, watch, and tell the end."""

import asyncio
import contextlib
import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from kubevouch.cli.connect import access_of, with_api
from kubevouch.cli.documents import print_document
from kubevouch.cli.runs import keep_run
from kubevouch.cli.terminal import Terminal
from kubevouch.cli.watching import Lines
from kubevouch.clock import Clock
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.make import counted
from kubevouch.diagnose.rules import requests
from kubevouch.errors import ExitCode
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.io.local import Local
from kubevouch.node.io.ssh import Ssh, SshOptions
from kubevouch.rollout.act.apply import CheckedPlan, apply, check
from kubevouch.rollout.act.context import RolloutContext, RolloutTimeouts, Way
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.plan import ChangeKind, Plan, read_plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult


def way_of(plan: Plan, terminal: Terminal) -> Way:
    """How scripts get to the nodes of the plan."""
    if plan.via == "local":
        return Local(environment=terminal.environment)
    options = SshOptions(config=plan.ssh_config or None, user=plan.ssh_user or None)
    return Ssh(options, environment=terminal.environment)


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
        f"(context {access.context or 'service account'}); undo with `kubevouch undo {plan.run}`"
    )

    timeouts = RolloutTimeouts(gate_timeout)

    async def checking(api: ApiClient, clock: Clock) -> CheckedPlan:
        around = _rollout_context(api, clock, plan, terminal, lambda: False)
        return await check(plan, around, timeouts)

    checked = with_api(terminal, access, checking)
    terminal.confirm(what, yes=yes)
    keep_run(plan, terminal.environment)

    async def changing(api: ApiClient, clock: Clock) -> RunResult:
        with _stopping(terminal) as stop:
            return await apply(
                checked, _rollout_context(api, clock, plan, terminal, stop), timeouts
            )

    result = with_api(terminal, access, changing)
    _print_result(terminal, result, form)
    if result.exit_code is ExitCode.OK:
        _tell_the_fuse(terminal, with_api(terminal, access, _fuse))
    return result.exit_code


def undo_plan(
    terminal: Terminal,
    plan: Plan,
    kubeconfig: str | None,
    context: str | None,
    gate_timeout: float,
    *,
    yes: bool,
    form: str,
) -> int:
    """Puts every node of the run back."""
    access = access_of(terminal, kubeconfig, context)
    terminal.confirm(
        f"put {counted(len(plan.nodes), 'node')} of run {plan.run} back to what they were, on {access.server} "
        f"(context {access.context or 'service account'}); a new plan would do it again",
        yes=yes,
    )

    async def work(api: ApiClient, clock: Clock) -> RunResult:
        with _stopping(terminal) as stop:
            around = _rollout_context(api, clock, plan, terminal, stop)
            return await undo(plan, around, RolloutTimeouts(gate_timeout))

    result = with_api(terminal, access, work)
    _print_result(terminal, result, form)
    if result.interrupted:
        return ExitCode.INTERRUPTED
    fine = all(each.outcome in (NodeOutcome.UNDONE, NodeOutcome.DONE) for each in result.nodes)
    return ExitCode.OK if fine and not result.config_map_failed else ExitCode.STOPPED


def _rollout_context(
    api: ApiClient, clock: Clock, plan: Plan, terminal: Terminal, stop: Callable[[], bool]
) -> RolloutContext:
    return RolloutContext(
        api=api,
        way=way_of(plan, terminal),
        clock=clock,
        progress=Lines(terminal, clock),
        stop=stop,
        random_serial=lambda bits: secrets.randbits(bits) or 1,
    )


@contextlib.contextmanager
def _stopping(terminal: Terminal) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C ends the run after the node in hand; the second one at once: its switch then undoes that node."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked and task is not None:
            terminal.note("stopping at once; the node in hand is undone by its own switch")
            task.cancel()
            return
        asked = True
        terminal.note("stopping after the node in hand; Ctrl-C again stops at once")

    loop.add_signal_handler(signal.SIGINT, on_signal)
    try:
        yield lambda: asked
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _print_result(terminal: Terminal, result: RunResult, form: str) -> None:
    if form == "json":
        print_document(terminal, "kubevouch.run/1", msgspec.to_builtins(result))
        return
    rows = [
        (each.node, str(each.outcome), f"{each.seconds:.0f} s" if each.seconds else "", each.why)
        for each in result.nodes
    ]
    if rows:
        terminal.table(("NODE", "RESULT", "TIME", "WHY"), rows)
    if result.config_map:
        terminal.out(result.config_map)
    done = sum(each.outcome is NodeOutcome.DONE for each in result.nodes)
    if done:
        terminal.out(
            f"Run {result.run}: {done} of {len(result.nodes)} nodes done. Undo: kubevouch undo {result.run}"
        )


async def _fuse(api: ApiClient, clock: Clock) -> str:
    """What happens if no approver runs; empty where one does."""
    try:
        found = diagnose(await gather(api, clock=clock), (requests.fuse,)).findings
    except KubeError:
        return ""
    return found[0].title if found else ""


def _tell_the_fuse(terminal: Terminal, text: str) -> None:
    if text:
        terminal.out(f"KV411  {text}")
        terminal.out("       Run an approver before then, or approve by hand: kubevouch csr list")
