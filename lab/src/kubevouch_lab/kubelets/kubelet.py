"""One kubelet: reads its node's files, keeps its two certificates, serves its port, reports its Node.

It is not a process of its own. What is true of a real one at its start, while it runs and after its end is true of this
one between `start` and `stop`; nothing outlives a stop but what is on the node's disk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.ending import ended
from kubevouch_lab.kubelets import identity, serving
from kubevouch_lab.kubelets.api import Api, ApiError, Connect
from kubevouch_lab.kubelets.callers import Callers
from kubevouch_lab.kubelets.csr import Template, serving_template
from kubevouch_lab.kubelets.handlers import HandlerSources, KubeletHandlers
from kubevouch_lab.kubelets.key_pairs import BadPair
from kubevouch_lab.kubelets.listener import KubeletPort
from kubevouch_lab.kubelets.log import Log, Say
from kubevouch_lab.kubelets.node_object import MachineInfo
from kubevouch_lab.kubelets.pages import Vitals
from kubevouch_lab.kubelets.pods import Runtime, running
from kubevouch_lab.kubelets.reporter import Reporter, ReportIntervals
from kubevouch_lab.kubelets.settings import Settings, read_settings
from kubevouch_lab.kubelets.usage import HOUSEKEEPING
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.services import StartFailure
from kubevouch_lab.objects import bracketed
from kubevouch_lab.rng import Entropy

ARGV: Final = (
    "/usr/bin/kubelet",
    "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
    "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "--config=/var/lib/kubelet/config.yaml",
)
"""As kubeadm's drop-in starts it, without flags of its own."""


@dataclass
class _Running:
    """What there is between a start and a stop."""

    settings: Settings
    client: identity.KubeletClient
    server: serving.Serving
    port: KubeletPort
    http: web.Server
    reporter: Reporter
    tasks: set[asyncio.Task[None]]


class Kubelet:
    """The kubelet of one node.

    connect: how it reaches the API server.
    port: where to listen; None: the configuration's, 0: any free one. addresses: the node's, and where it listens.
    say: takes each line of its log. pid: what it calls itself in it.
    rhythm: how often it reports. housekeeping: seconds between two samples of usage.
    """

    def __init__(
        self,
        node: NodeFiles,
        *,
        connect: Connect = Api,
        clock: Clock,
        entropy: Entropy,
        addresses: Sequence[str],
        port: int | None = None,
        say: Say = lambda _line, _priority: None,
        pid: int = 1,
        runtime: Runtime,
        rhythm: ReportIntervals | None = None,
        housekeeping: float = HOUSEKEEPING,
    ) -> None:
        self.name = node.name
        self.addresses = tuple(addresses)
        self.port = port or 0
        self.pid = pid
        self._wanted_port = port
        self._files = node
        self._connect = connect
        self._clock = clock
        self._entropy = entropy
        self._say = say
        self._runtime = runtime
        self._rhythm = rhythm or ReportIntervals()
        self._run: _Running | None = None
        self.exited: Callable[[], None] = lambda: None
        """Called when it has ended by itself, with an error; its log says why."""
        self._exiting: asyncio.Task[None] | None = None
        self._unresponsive = False
        # The machine goes on when its kubelet starts anew, and so do its counters.
        self._booted = clock.now().timestamp() - 24 * 3600
        self._every = housekeeping

    @property
    def running(self) -> bool:
        """Between a start and a stop."""
        return self._run is not None

    @property
    def waits_for(self) -> str:
        """The name of the serving request that it waits for; "" if it waits for nothing."""
        rotation = self._run.server.rotation if self._run else None
        return rotation.asked_for if rotation else ""

    def set_responsive(self, *, responsive: bool) -> None:
        """Whether its port answers what comes (it does, from the start), or swallows it; also after a restart."""
        self._unresponsive = not responsive
        if self._run is not None:
            self._run.port.unresponsive = self._unresponsive

    async def start(self, argv: Sequence[str] = ARGV) -> None:
        """Returns when it listens.

        Raises:
            StartFailure: it has logged why, and ended.
        """
        log = Log(self._say, self._clock, self.pid)
        try:
            await self._start(argv, log)
        except (StartFailure, BadPair) as failure:
            log.err("run.go:72", "command failed", err=str(failure))
            raise StartFailure(str(failure)) from None

    async def stop(self) -> None:
        """As SIGTERM: all connections break, and the port refuses.

        All that it does is given up before anything is waited for: of thousands that stop at once, those that come last would
        else keep the others waiting with handshakes that nobody wants any more.
        """
        run, self._run = self._run, None
        if run is None:
            return
        await asyncio.gather(ended(run.tasks), run.port.close())
        await run.http.shutdown(0.1)  # zero would be no limit
        await run.client.close()

    def look_at_pods(self) -> None:
        """What containers do has changed: report it now."""
        if self._run is not None:
            self._run.reporter.look_at_pods()

    async def _start(self, argv: Sequence[str], log: Log) -> None:
        files, clock = self._files, self._clock
        hostname = files.text("/etc/hostname").strip() or self.name
        settings = read_settings(files, argv, hostname)
        client = await identity.load(files, settings, self._connect, clock, self._entropy, log)
        template = _Wanted(settings.host)
        server = await serving.load(files, settings, template.now, clock, self._entropy, log)
        told, reporter = self._sources(settings, client, server)
        callers = Callers(settings, lambda: client.api, settings.host, clock, log)
        http = web.Server(KubeletHandlers(callers, told).handle, access_log=None)
        port = KubeletPort(server.current, lambda: _read(files, settings.client_ca), http, log)
        port.unresponsive = self._unresponsive
        wanted = settings.document["port"] if self._wanted_port is None else self._wanted_port
        try:
            self.port = await port.open(self.addresses, wanted)
        except OSError as error:
            why = f"listen tcp {bracketed(self.addresses[0])}:{wanted}: {error.strerror}"
            log.err("server.go:226", "Failed to listen and serve", err=why)
            await client.close()
            raise StartFailure(why) from None
        self.name = settings.host
        run = _Running(settings, client, server, port, http, reporter, set())
        self._run = run
        machine = self._machine(settings)
        self._keep(run, log, lambda: reporter.report(machine, server_template(template, server)))
        self._keep(run, log, reporter.renew_lease)
        self._keep(run, log, reporter.follow_pods)
        self._keep(run, log, reporter.sync_pods)
        self._keep(run, log, client.run)
        self._keep(run, log, lambda: client.lost(self._clock, log, self._exit))
        if server.rotation is not None:
            rotation = server.rotation
            self._keep(run, log, lambda: rotation.run(lambda: client.api))

    def _exit(self) -> None:
        """Ends, from within."""

        async def end() -> None:
            await self.stop()
            self.exited()

        if self._exiting is None or self._exiting.done():
            self._exiting = asyncio.get_running_loop().create_task(end())

    def _sources(
        self, settings: Settings, client: identity.KubeletClient, server: serving.Serving
    ) -> tuple[HandlerSources, Reporter]:
        reporter = Reporter(
            settings.host,
            api=lambda: client.api,
            clock=self._clock,
            entropy=self._entropy,
            rhythm=self._rhythm,
            runtime=self._runtime,
            addresses=settings.own_addresses or self.addresses,
        )
        booted = self._booted

        def vitals() -> Vitals:
            pods = tuple(running(reporter.pods))
            return Vitals(settings.host, booted, self._clock.now().timestamp(), pods, self._every)

        told = HandlerSources(
            vitals,
            lambda: settings.configz(server.own_files),
            lambda: reporter.pods,
            self._runtime,
        )
        return told, reporter

    def _machine(self, settings: Settings) -> MachineInfo:
        return MachineInfo(
            settings.host,
            (
                *(("InternalIP", each) for each in settings.own_addresses or self.addresses),
                ("Hostname", settings.host),
            ),
            self.port,
            self._files.text("/etc/machine-id").strip(),
            self._files.text("/proc/sys/kernel/random/boot_id").strip(),
            int(settings.document["maxPods"]),
        )

    def _keep(self, run: _Running, log: Log, work: Callable[[], Awaitable[None]]) -> None:
        """Does the work until the stop; what breaks it is told and tried again, as a kubelet's loops are."""

        async def loop() -> None:
            while True:
                try:
                    await work()
                except ApiError as error:
                    log.err("kubelet.go:2451", "Failed to reach the API server", err=error.text)
                except Exception as error:  # noqa: BLE001 - a kubelet's own loops catch all, too
                    log.err("runtime.go:142", "Observed a panic", panic=repr(error))
                await self._clock.sleep(1.0)

        task = asyncio.get_running_loop().create_task(loop())
        run.tasks.add(task)


class _Wanted:
    """The serving template, from the addresses that the API server last answered with."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.addresses: tuple[tuple[str, str], ...] = ()

    def now(self) -> Template | None:
        return serving_template(self._host, self.addresses)


def server_template(
    wanted: _Wanted, server: serving.Serving
) -> Callable[[tuple[tuple[str, str], ...]], None]:
    """A function that is told the Node's addresses, as the API server answers them: new ones want a new certificate."""

    def observed(addresses: tuple[tuple[str, str], ...]) -> None:
        if addresses != wanted.addresses:
            wanted.addresses = addresses
            if server.rotation is not None:
                server.rotation.look_again()

    return observed


def _read(files: NodeFiles, path: str) -> bytes:
    with contextlib.suppress(OSError):
        return files.read(path) if path else b""
    return b""
