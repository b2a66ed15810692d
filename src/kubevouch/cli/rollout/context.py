"""Sets up what a run needs: the transport to nodes, pins and inventory, and the Lease."""

import os
import pwd
import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
from collections.abc import Callable, Mapping, Sequence

from kubevouch.cli.common.progress import Progress, progress_of
from kubevouch.cli.common.ssh import ask_for_sudo, ssh_of
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.common.written import gather_written
from kubevouch.cli.rollout.run_log import RunLog
from kubevouch.clock import Clock
from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost
from kubevouch.node.script import DialAddress, Script, ScriptResult, T
from kubevouch.node.transport import NodeTransport
from kubevouch.policy.sources.choice import written_answer
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.lease import LeaseHold, RunLease
from kubevouch.rollout.act.pod_transport import PodTransport, prepare_pods
from kubevouch.rollout.decide.by_pod import WrittenNode
from kubevouch.rollout.decide.intent import what_pods_are
from kubevouch.rollout.decide.plan import NodeOptions, Plan, PodPlace
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from kubevouch.system_clock import SystemClock


class WatchedTransport:
    """A transport that shows each running script as progress, so that the operator sees which node hangs."""

    def __init__(self, transport: NodeTransport, progress: Progress) -> None:
        self.name = transport.name
        self._transport = transport
        self._progress = progress

    async def destination(self, host: str) -> Destination:
        """The transport's destination for this host. Raises NodeError."""
        return await self._transport.destination(host)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs the script. Raises NodeError, also after an error on this machine, such as a full disk."""
        key, where = object(), f" at {at.address}" if at else ""
        text = f"{host}  running the {script.name} script{where} ({self.name})"
        self._progress.begin(key, text, in_seconds=script.takes)
        try:
            return await self._transport.run_script(host, script, timeout=timeout, at=at)
        except OSError as error:  # the script may have been sent
            raise AnswerLost(host, f"an error on this machine: {error}") from None
        finally:
            self._progress.end(key)


def transport_of(
    way: NodeOptions, run: str, terminal: Terminal, api: ApiClient, clock: Clock
) -> WatchedTransport:
    """The transport that the plan or the options select. If it uses pods, it prints the name of each pod that it could not delete."""
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
    """Asks for the sudo password, or whether pods may run, before the plan's nodes are read."""
    if plan.ask_sudo_password:
        ask_for_sudo(terminal, plan.ssh_user)
    if plan.pods:  # the plan's author chose the image, which runs as root
        terminal.confirm(f"inspect the nodes in the plan with {what_pods_are(plan.pods)}", yes=yes)


async def written_nodes(
    api: ApiClient, clock: Clock, place: PodPlace | None
) -> Mapping[str, WrittenNode]:
    """For each node: the addresses that the inventory or a pin lists, and the client certificates in its pin.

    Ignores the approver's own records. The result is empty if `place` is None: ssh proves the node's identity, and an
    undo needs no pins.

    Raises:
        StoppedBefore: the data is unreadable. A pinned address would then look unknown.
    """
    if place is None:
        return {}
    inquiry = Inquiry(clock)
    written = await gather_written(api, inquiry)
    if written.doubt is not None:
        where = f"the pins in {NAMESPACE}"
        raise StoppedBefore(where, f"are unknown: {written.doubt.text}", way=LeadsOn.DOCTOR)
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
    """Checks the rights that the pods need, and deletes pods that killed runs left behind.

    Does nothing if `place` is None.
    """
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


async def open_context(
    terminal: Terminal,
    way: NodeOptions,
    run: str,
    api: ApiClient,
    clock: Clock,
    *,
    stop: Callable[[], bool] = lambda: False,
    lease: LeaseHold | None = None,
    log: RunLog | None = None,
    reads_pins: bool = True,
) -> RolloutContext:
    """The context in which a run reads or changes nodes. stop, lease, log: only for a run that writes.

    reads_pins: False for an undo, which needs no pins. Raises StoppedBefore like `written_nodes`.
    """
    written = await written_nodes(api, clock, way.pods if reads_pins else None)
    progress = progress_of(terminal)
    progress.log = log.write if log else None
    return RolloutContext(
        api=api,
        transport=transport_of(way, run, terminal, api, clock),
        clock=clock,
        progress=progress,
        stop=stop,
        random_serial=lambda bits: secrets.randbits(bits) or 1,
        written=written,
        lease=lease,
    )


def run_lease(
    run: str, terminal: Terminal, *, undoes: bool = False, nodes: Sequence[str] = ()
) -> RunLease:
    """The Lease for a run, with this process as the holder.

    undoes: whether the run is an undo. nodes: the nodes to undo; empty means all.
    """
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = f"user {os.geteuid()}"
    words = [*(["undo"] if undoes else []), *([",".join(nodes)] if nodes else [])]
    detail = " ".join((*words, secrets.token_hex(4)))
    identity = f"{run} on {user}@{os.uname().nodename} ({detail})"
    return RunLease(SystemClock(), identity, lambda text: terminal.note(one_line(text)))
