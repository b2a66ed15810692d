"""What runs in a lab's pods, where anything does: started, probed and started again as a kubelet does it.

A pod's server starts when its kubelet first looks at the pod, listens at the pod's own address, and ends with the pod.
What it is, is its program's to know (`metrics_server`, `own_pods`); whether it is ready is asked by the pod's own probe,
with its time-out and its number of failures (Kubernetes pkg/kubelet/prober/worker.go).
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

import aiohttp

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.kubelets.pods import ContainerLogLine, ContainerState
from kubevouch_lab.objects import Object, bracketed, uid_of

_PROBE_EVERY: Final = 0.5
_AGAIN: Final = 5.0
_WELL: Final = timedelta(minutes=10)
"""Who has run for so long is started again at once."""
_LINES: Final = 5_000


class PodServer:
    """One pod's. changed: called when its kubelet is to look again."""

    def __init__(
        self, pod: Object, address: str, changed: Callable[[], None], clock: Clock
    ) -> None:
        self.pod = pod
        self.container: Object = pod["spec"]["containers"][0]
        self.arguments = tuple(self.container.get("args") or ())
        self.address = address
        self.lines: deque[ContainerLogLine] = deque(maxlen=_LINES)
        self._changed = changed
        self._clock = clock
        self.state = ContainerState(ready=False)
        self.tasks: list[asyncio.Task[None]] = []
        self.gone = False
        """Its pod is not there any more. A cancellation alone can get lost: in a request that times out in the same moment
        it comes out as a TimeoutError."""
        self.has_usage_of: Callable[[str], bool] | None = None
        """Whether its program serves the usage of a node; None where that is not known here."""

    def hear(self, text: str) -> None:
        """It prints a line."""
        self.lines.append(ContainerLogLine(self._clock.now(), text))

    def show(self, state: ContainerState) -> None:
        """What its kubelet is to see."""
        if state != self.state:
            self.state = state
            self._changed()


class PodProgram(Protocol):
    """What the pods of one kind run."""

    def runs_in(self, pod: Object) -> bool:
        """Whether the pod is one of them."""
        ...

    async def run(self, server: PodServer) -> None:
        """Runs it at the server's address until it ends by itself, or is cancelled. Raises KubevouchError, StatusError, OSError."""
        ...


class PodServers:
    """All of them, by the programs that there are."""

    def __init__(self, programs: Sequence[PodProgram], clock: Clock) -> None:
        self._programs = programs
        self._clock = clock
        self._running: dict[str, PodServer] = {}
        self._gone: set[str] = set()
        """Of pods that are not there any more: a kubelet may still look at one that it has not heard of the end of."""
        self._ending: dict[str, tuple[PodServer, asyncio.Future[list[BaseException | None]]]] = {}

    def has_program(self, pod: Object) -> bool:
        """Whether anything runs in the pod; the others only look as if something did."""
        return self._program(pod) is not None

    def state(self, pod: Object, address: str, changed: Callable[[], None]) -> ContainerState:
        """How the pod's server does; it is started if it is not there yet. changed: called when that has changed."""
        uid = uid_of(pod)
        program = self._program(pod)
        if uid in self._gone or program is None:
            return ContainerState(ready=False)
        if uid not in self._running:
            self._running[uid] = made = PodServer(pod, address, changed, self._clock)
            made.tasks = [
                asyncio.create_task(self._keep(made, program)),
                asyncio.create_task(self._probe(made)),
            ]
        return self._running[uid].state

    def log(self, uid: str) -> Sequence[ContainerLogLine]:
        """What the pod's server has printed."""
        server = self._running.get(uid)
        return tuple(server.lines) if server else ()

    def has_usage_of(self, uid: str, node: str) -> bool:
        """Whether the pod's server serves the usage of a node; so it is taken for one that does not tell."""
        server = self._running.get(uid)
        return server is None or server.has_usage_of is None or server.has_usage_of(node)

    def gone(self, uid: str) -> None:
        """The pod is not there any more, and its server ends."""
        self._gone.add(uid)
        server = self._running.pop(uid, None)
        if server is None:
            return
        server.gone = True
        for task in server.tasks:
            task.cancel()
        end = asyncio.gather(*server.tasks, return_exceptions=True)
        self._ending[uid] = server, end
        end.add_done_callback(lambda _: self._ending.pop(uid, None))

    def ends(self, uid: str) -> bool:
        """Whether the pod is gone, and what ran in it has not ended yet."""
        return uid in self._ending

    def addresses(self) -> set[str]:
        """Where something listens or may begin to; also what ends, which holds its port for as long as it takes."""
        ending = [server for server, _ in self._ending.values()]
        return {server.address for server in (*self._running.values(), *ending)}

    async def stop(self) -> None:
        """Ends all of them."""
        for uid in tuple(self._running):
            self.gone(uid)
        await asyncio.gather(*(end for _, end in self._ending.values()), return_exceptions=True)

    def _program(self, pod: Object) -> PodProgram | None:
        return next((each for each in self._programs if each.runs_in(pod)), None)

    async def _keep(self, server: PodServer, program: PodProgram) -> None:
        """Runs it, and runs it again when it has ended: at once, and from then on after a while."""
        restarts = 0
        while not server.gone:
            began, why = self._clock.now(), "it ended by itself"
            try:
                await program.run(server)
            except (KubevouchError, StatusError, OSError) as error:
                why = str(error)
            if server.gone:
                return
            if restarts and self._clock.now() - began < _WELL:
                waits = ContainerState(
                    running=False,
                    ready=False,
                    restarts=restarts,
                    reason="CrashLoopBackOff",
                    message=why,
                )
                server.show(waits)
                await self._clock.sleep(_AGAIN)
            restarts += 1
            server.show(ContainerState(ready=False, restarts=restarts))

    async def _probe(self, server: PodServer) -> None:
        """As its kubelet by its readinessProbe: HTTPS, nothing verified, no credential. More often than it says."""
        url, probe = _probed(server), server.container.get("readinessProbe") or {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        timeout = aiohttp.ClientTimeout(total=float(probe.get("timeoutSeconds", 1)))
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        failures = 0
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while not server.gone:
                await self._clock.sleep(_PROBE_EVERY)
                ready = not url
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(url) as response:
                        ready = response.status == 200
                failures = 0 if ready else failures + 1
                if server.state.running and (ready or failures >= probe.get("failureThreshold", 3)):
                    server.show(ContainerState(ready=ready, restarts=server.state.restarts))


def _probed(server: PodServer) -> str:
    """The URL that the container's readinessProbe asks; "" if it has none that asks by HTTPS."""
    asked: Object = (server.container.get("readinessProbe") or {}).get("httpGet") or {}
    if asked.get("scheme") != "HTTPS":
        return ""
    ports = {each.get("name"): each["containerPort"] for each in server.container.get("ports", ())}
    port = ports.get(asked["port"], asked["port"])
    return f"https://{bracketed(server.address)}:{port}{asked.get('path', '/')}"
