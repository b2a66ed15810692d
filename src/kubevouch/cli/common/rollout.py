"""Shared by `fix --apply` and `undo`: the transport to a plan's nodes, Ctrl-C, and the table of results."""

import asyncio
import contextlib
import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
import signal
from collections.abc import Callable, Collection, Iterator

import msgspec

from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.progress import Progress, progress_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.destination import Destination
from kubevouch.node.io.local import Local
from kubevouch.node.io.ssh import Ssh, SshOptions
from kubevouch.node.script import DialAddress, Script, ScriptResult, T
from kubevouch.node.transport import NodeTransport
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.next_step import NextStep
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult


class WatchedTransport:
    """A transport whose scripts are waits that progress shows: a node that does not answer is named."""

    def __init__(self, transport: NodeTransport, progress: Progress) -> None:
        self.name = transport.name
        self._transport = transport
        self._progress = progress

    async def destination(self, host: str) -> Destination:
        """As the transport tells. Raises NodeError."""
        return await self._transport.destination(host)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """As the transport does. Raises NodeError."""
        key, where = object(), f" at {at.address}" if at else ""
        text = f"{host}  waits for the {script.name} script{where} ({self.name})"
        self._progress.begin(key, text)
        try:
            return await self._transport.run_script(host, script, timeout=timeout, at=at)
        finally:
            self._progress.end(key)


def transport_of(plan: Plan, terminal: Terminal) -> NodeTransport:
    """The transport of scripts to the nodes of the plan."""
    if plan.via == "local":
        return Local(environment=terminal.environment)
    options = SshOptions(config=plan.ssh_config or None, user=plan.ssh_user or None)
    return Ssh(options, environment=terminal.environment)


def rollout_context(
    api: ApiClient,
    clock: Clock,
    plan: Plan,
    terminal: Terminal,
    stop: Callable[[], bool],
    armed: Callable[[ArmedNode | None], None] = lambda _: None,
) -> RolloutContext:
    """The context in which the run is carried out. armed: called with the node in hand."""
    return RolloutContext(
        api=api,
        transport=WatchedTransport(transport_of(plan, terminal), progress_of(terminal)),
        clock=clock,
        progress=progress_of(terminal),
        stop=stop,
        random_serial=lambda bits: secrets.randbits(bits) or 1,
        armed=armed,
    )


@contextlib.contextmanager
def stopping(terminal: Terminal, left: Callable[[], str]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C ends the run after the node in hand; the second one at once, and so does SIGTERM.

    left: what then becomes of the node in hand, for a person; empty if nothing is changed on nodes.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    asked = False

    def stop_at_once() -> None:
        terminal.note("stopping at once")
        if what := left():
            terminal.note(terminal.hinted(what))
        if task is not None:
            task.cancel()

    def on_interrupt() -> None:
        nonlocal asked
        if asked:
            stop_at_once()
            return
        asked = True
        terminal.note("stopping after the node in hand; Ctrl-C again stops at once")

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    # Whoever sends it may follow it with SIGKILL, long before a node is through.
    loop.add_signal_handler(signal.SIGTERM, stop_at_once)
    try:
        yield lambda: asked
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


def named(access: ClusterAccess) -> str:
    """The cluster that will be written to, for a prompt."""
    return f"{access.server} (context {access.context or 'service account'})"


def print_result(
    terminal: Terminal, result: RunResult, form: str, *, lead: str = "", so_far: str
) -> None:
    """A row a node, what became of the ConfigMap, who was left out, and how it is undone.

    lead: what comes first. so_far: how many nodes are where they were to come to.
    """
    if form == "json":
        print_document(terminal, "kubevouch.run/1", msgspec.to_builtins(result))
        return
    if lead:
        terminal.out(lead)
    rows = [
        (each.node, str(each.outcome), f"{each.seconds:.0f} s" if each.seconds else "", each.why)
        for each in result.nodes
    ]
    if rows:
        terminal.table(("NODE", "RESULT", "TIME", "WHY"), rows)
    if result.config_map:
        terminal.long_line(result.config_map)
    for left_out in result.left_out:
        terminal.long_line(f"LEFT OUT: {left_out.node}: {left_out.reason}", hang=10)
    if rows:
        terminal.long_line(f"Run      {result.run}: {so_far}")
    if result.undo:
        terminal.command("Undo     ", result.undo)


def print_next(terminal: Terminal, step: NextStep, form: str) -> None:
    """The command that comes next, and the one after it, where a person reads."""
    if form == "json":
        return
    terminal.command("NEXT     ", step.command)
    if step.then:
        terminal.command("THEN     ", step.then)


def counted_as(result: RunResult, outcomes: Collection[NodeOutcome], what: str) -> str:
    """How many of the run's nodes ended in one of these ways."""
    found = sum(each.outcome in outcomes for each in result.nodes)
    return f"{found} of {len(result.nodes)} nodes {what}"
