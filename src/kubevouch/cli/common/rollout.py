"""Shared by the verbs of a roll-out: the transport to nodes, what is written down of them, Ctrl-C, and the table of results."""

import asyncio
import contextlib
import os
import pwd
import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.progress import Progress, progress_of
from kubevouch.cli.common.run_log import RunLog
from kubevouch.cli.common.runs import kept_run
from kubevouch.cli.common.ssh_choice import ask_for_sudo, ssh_of
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.common.written import gather_written
from kubevouch.clock import Clock
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost
from kubevouch.node.script import DialAddress, Script, ScriptResult, T
from kubevouch.node.transport import NodeTransport
from kubevouch.policy.sources.choice import written_answer
from kubevouch.rollout.act.context import RolloutContext, end_in_order
from kubevouch.rollout.act.lease import LeaseHold, RunLease
from kubevouch.rollout.act.make_plan import NodeOptions
from kubevouch.rollout.act.pod_transport import PodTransport, prepare_pods
from kubevouch.rollout.decide.advice import NextStep
from kubevouch.rollout.decide.by_pod import WrittenNode
from kubevouch.rollout.decide.intent import what_pods_are
from kubevouch.rollout.decide.plan import Plan, PodPlace
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from kubevouch.system_clock import SystemClock


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
        """As the transport does. Raises NodeError, also where this machine fails: no room, no folder for temporary files."""
        key, where = object(), f" at {at.address}" if at else ""
        text = f"{host}  waits for the {script.name} script{where} ({self.name})"
        self._progress.begin(key, text, in_seconds=script.takes)
        try:
            return await self._transport.run_script(host, script, timeout=timeout, at=at)
        except OSError as error:  # it may have been sent
            raise AnswerLost(host, f"this machine failed: {error}") from None
        finally:
            self._progress.end(key)


def transport_of(
    way: Plan | NodeOptions, run: str, terminal: Terminal, api: ApiClient, clock: Clock
) -> WatchedTransport:
    """The transport of scripts to nodes that the plan or the options say. A pod that could not be removed is named on the terminal."""
    transport: NodeTransport
    if way.pods is not None:
        transport = PodTransport(
            api,
            clock,
            way.pods,
            run,
            token=lambda: secrets.token_hex(5),
            rng=secrets.SystemRandom().random,
            stays=lambda text: terminal.note(one_line(text)),
        )
    else:
        transport = ssh_of(terminal, way.ssh_config, way.ssh_user)
    return WatchedTransport(transport, progress_of(terminal))


def ask_first(terminal: Terminal, plan: Plan, *, yes: bool) -> None:
    """What is asked before the nodes of a plan are looked at."""
    if plan.ask_sudo_password:
        ask_for_sudo(terminal, plan.ssh_user)
    if plan.pods:  # whoever wrote the plan chose the image, which runs as root
        terminal.confirm(f"look at the plan's nodes by {what_pods_are(plan.pods)}", yes=yes)


async def written_nodes(
    api: ApiClient, clock: Clock, place: PodPlace | None
) -> Mapping[str, WrittenNode]:
    """What operators have written down of nodes: the inventory and pins. The approver's own record is not theirs.

    Nothing where there are no pods: other ways have proofs of their own.

    Raises:
        StoppedBefore: that cannot be read. Without it, an address could be taken for one that nobody has written down.
    """
    if place is None:
        return {}
    inquiry = Inquiry(clock)
    written = await gather_written(api, inquiry)
    if written.doubt is not None:
        where = f"what is pinned in {NAMESPACE}"
        raise StoppedBefore(where, f"is not known: {written.doubt.text}", way=LeadsOn.DOCTOR)
    if written.value is None:
        return {}
    found = {}
    for node in await api.list_all(NODES):
        answer = written_answer(node, written.value.current)
        pin = written.value.pin_of(node.name, node.uid)
        claims = answer.allowed.addresses if answer and not answer.allowed.outdated else ()
        found[node.name] = WrittenNode(
            {each.value: each.source for each in claims if each.source.is_written},
            frozenset(pin.client_certificates if pin else ()),
        )
    return found


async def prepared_pods(api: ApiClient, place: PodPlace | None, terminal: Terminal) -> None:
    """Before the first pod: it is allowed, and what a killed run has left is gone. Nothing where there are no pods."""
    if place is None:
        return
    progress = progress_of(terminal)
    await prepare_pods(
        api,
        place,
        lambda node, name: progress.step(
            node, f"removed pod {name}, left by a run that ended early"
        ),
    )


def rollout_context(
    api: ApiClient,
    clock: Clock,
    plan: Plan,
    terminal: Terminal,
    stop: Callable[[], bool],
    written: Mapping[str, WrittenNode] | None = None,
    lease: LeaseHold | None = None,
    log: RunLog | None = None,
) -> RolloutContext:
    """The context in which the run is carried out. written: see `written_nodes`.

    lease, log: of a run that writes.
    """
    progress = progress_of(terminal)
    progress.log = log
    return RolloutContext(
        api=api,
        transport=transport_of(plan, plan.run, terminal, api, clock),
        clock=clock,
        progress=progress,
        stop=stop,
        random_serial=lambda bits: secrets.randbits(bits) or 1,
        written=written or {},
        lease=lease,
    )


def run_lease(
    run: str, terminal: Terminal, *, undoes: bool = False, nodes: Sequence[str] = ()
) -> RunLease:
    """How this process comes to hold the cluster's Lease for that run, or to undo it: on these nodes only, if some are named."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = f"user {os.geteuid()}"
    words = [*(["undo"] if undoes else []), *([",".join(nodes)] if nodes else [])]
    told = " ".join((*words, secrets.token_hex(4)))
    identity = f"{run} on {user}@{os.uname().nodename} ({told})"
    return RunLease(SystemClock(), identity, lambda text: terminal.note(one_line(text)))


@contextlib.contextmanager
def stopping(terminal: Terminal, left: Callable[[], str]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C ends the run after the node in hand; the second one at once, and so do SIGTERM and SIGHUP.

    At once: this ends without an error, and what it came to by then is told as ever.
    left: what then becomes of the node in hand, for a person; empty if nothing is changed on nodes.
    """
    task = asyncio.current_task()
    asked = at_once = terminal.nothing_changed = False

    def stop_at_once() -> None:
        nonlocal at_once
        at_once = True
        terminal.note("stopping at once")
        if what := left():
            terminal.note(what)
        if task is not None:
            task.cancel()

    def on_interrupt() -> None:
        nonlocal asked
        if asked:
            stop_at_once()
            return
        asked = True
        terminal.note("stopping after the node in hand; Ctrl-C again stops at once")

    # Whoever sends SIGTERM may follow it with SIGKILL, long before a node is through.
    handlers = {signal.SIGINT: on_interrupt, signal.SIGTERM: stop_at_once}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        handlers[signal.SIGHUP] = stop_at_once
    with _handled(handlers):
        try:
            yield lambda: asked
        except asyncio.CancelledError:
            if not at_once:
                raise
            end_in_order()


@contextlib.contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """The loop calls these; afterwards whoever had the signals has them again."""
    loop = asyncio.get_running_loop()
    before = {each: signal.getsignal(each) for each in handlers}
    for each, handler in handlers.items():
        loop.add_signal_handler(each, handler)
    try:
        yield
    finally:
        for each, former in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, former)  # which asyncio has not kept


def print_result(
    terminal: Terminal,
    result: RunResult,
    *,
    lead: str = "",
    so_far: str,
    log: RunLog | None = None,
) -> None:
    """A row a node, what became of the ConfigMap, who was left out, and how it is undone.

    lead: what comes first. so_far: how many nodes are where they were to come to. log: of a run that has written.
    """
    if terminal.prints_json:
        document = msgspec.to_builtins(result)
        print_document(
            terminal, "kubevouch.run/1", {**document, "log": str(log.path) if log else ""}
        )
        return
    if lead:
        terminal.out(lead)
    rows = [
        (each.node, str(each.state), f"{each.seconds:.0f} s" if each.seconds else "", each.why)
        for each in result.nodes
    ]
    if rows:
        terminal.table(("NODE", "RESULT", "TIME", "WHY"), rows)
    if result.config_map.text:
        terminal.long_line(result.config_map.text)
    for left_out in result.left_out:
        terminal.long_line(f"LEFT OUT: {left_out.node}: {left_out.reason}", hang=10)
    if rows:
        terminal.long_line(f"Run      {result.run}: {so_far}")
    if log:
        terminal.long_line(f"Log      {log.path}")
    if result.stopped:
        terminal.long_line(f"Stopped  {result.stopped}: no other node was begun", hang=9)
    if result.undo:
        _print_undo(terminal, result)


def _print_undo(terminal: Terminal, result: RunResult) -> None:
    """The command, and what it needs."""
    terminal.command("Undo     ", result.undo)
    if kept := kept_run(result.run, terminal.environment):
        text = f"Plan     {kept}: there is no undo without it; keep a copy elsewhere, too"
        terminal.long_line(text, hang=9)


def print_next(terminal: Terminal, step: NextStep) -> None:
    """The command that comes next, and the one after it."""
    if step.note:
        terminal.long_line(f"         {terminal.with_flags(step.note)}", hang=9)
    terminal.command("NEXT     ", step.command)
    if step.then:
        terminal.command("THEN     ", step.then)


def counted_as(result: RunResult, states: Collection[NodeState], what: str) -> str:
    """How many of the run's nodes ended in one of these ways."""
    found = sum(each.state in states for each in result.nodes)
    return f"{found} of {len(result.nodes)} nodes {what}"
