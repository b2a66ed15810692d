"""Our metrics server, run as the containers of the lab's metrics-server pods: the one file where the lab meets it.

A pod's server starts when its kubelet first looks at the pod: at the pod's own address, with a token of the pod's
service account. It ends with the pod. Whether it is ready is asked as a kubelet asks: by its own /readyz.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import fixed_or_files
from kubevouch.kube.kubeconfig import User
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraper import ScrapeSettings
from kubevouch.metrics.serving.server import NEVER_INSECURE, build_components, serve
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions
from kubevouch_lab.kubelets.pods import ContainerLogLine, ContainerState
from kubevouch_lab.objects import Object, name_of, uid_of
from kubevouch_lab.rng import Entropy, serials

PORT: Final = 10250
_INSECURE: Final = "--kubelet-insecure-tls"
_PROBE_EVERY: Final = 0.5
_AGAIN: Final = 5.0
_LINES: Final = 5_000


class _PodServer:
    """One pod's."""

    def __init__(
        self, pod: Object, address: str, changed: Callable[[], None], clock: Clock
    ) -> None:
        self.clock = clock
        self.name = name_of(pod)
        self.arguments = tuple(pod["spec"]["containers"][0].get("args") or ())
        self.address = address
        self.changed = changed
        self.lines: deque[ContainerLogLine] = deque(maxlen=_LINES)
        self.ready = False
        self.complaint = ""
        self.restarts = 0
        self.stop = StopEvent()
        self.tasks: list[asyncio.Task[None]] = []

    def hear(self, text: str) -> None:
        """It prints a line."""
        self.lines.append(ContainerLogLine(self.clock.now(), text))

    def show(self, *, ready: bool, complaint: str = "") -> None:
        """What its kubelet is to see."""
        if (ready, complaint) != (self.ready, self.complaint):
            self.ready, self.complaint = ready, complaint
            self.changed()


class MetricsServers:
    """All of them.

    resolution: seconds from one scrape of a node to the next, whatever the pods' arguments say.
    server, ca: the API server's URL, and PEM of the CA that its pods trust. token: of a service account in kube-system.
    """

    def __init__(
        self,
        server: str,
        ca: bytes,
        *,
        clock: Clock,
        entropy: Entropy,
        token: Callable[[str, str], str],
        resolution: float,
    ) -> None:
        self._server = server
        self._ca = ca
        self._clock = clock
        self._entropy = entropy
        self._token = token
        self._resolution = resolution
        self._running: dict[str, _PodServer] = {}
        self._gone: set[str] = set()
        """Of pods that are not there any more: a kubelet may still look at one that it has not heard of the end of."""

    def state(self, pod: Object, address: str, changed: Callable[[], None]) -> ContainerState:
        """How the pod's server does; it is started if it is not there yet. changed: called when that has changed."""
        uid = uid_of(pod)
        if uid in self._gone:
            return ContainerState(ready=False)
        if uid not in self._running:
            self._running[uid] = found = _PodServer(pod, address, changed, self._clock)
            account = pod["spec"].get("serviceAccountName") or "default"
            found.tasks = [
                asyncio.create_task(self._keep(found, account)),
                asyncio.create_task(self._probe(found)),
            ]
        server = self._running[uid]
        if server.complaint:
            return ContainerState(
                running=False,
                ready=False,
                restarts=server.restarts,
                reason="CrashLoopBackOff",
                message=server.complaint,
            )
        return ContainerState(ready=server.ready, restarts=server.restarts)

    def log(self, uid: str) -> Sequence[ContainerLogLine]:
        """What the pod's server has printed."""
        server = self._running.get(uid)
        return tuple(server.lines) if server else ()

    def gone(self, uid: str) -> None:
        """The pod is not there any more, and its server ends."""
        self._gone.add(uid)
        server = self._running.pop(uid, None)
        for task in server.tasks if server else ():
            task.cancel()

    async def stop(self) -> None:
        """Ends all of them."""
        servers = list(self._running.values())
        self._running.clear()
        tasks = [task for server in servers for task in server.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, server: _PodServer, account: str) -> None:
        """Runs it, and runs it again when it has ended by itself, as a kubelet does."""
        while True:
            try:
                _check(server.arguments)
                await self._serve(server, account)
            except (KubevouchError, OSError) as error:
                server.hear(f"Error: {error}\n")
                server.show(ready=False, complaint=str(error))
            await self._clock.sleep(_AGAIN)
            server.restarts += 1
            server.show(ready=False)

    async def _serve(self, server: _PodServer, account: str) -> None:
        clock, draw, resolution = self._clock, serials(self._entropy), self._resolution
        user = User(where=f"pod {server.name}", token=self._token("kube-system", account))
        access = ClusterAccess(
            context="",
            where="service account",
            cluster="service account",
            server=self._server,
            user=user,
            namespace="kube-system",
            roots=self._ca,
        )
        log = Log(server.hear, clock)
        async with ApiClient(access, clock=clock, environ={}, interactive=False) as api:
            parts = build_components(
                api,
                clock,
                log,
                roots=RootsFile(lambda: self._ca, clock),
                credentials=fixed_or_files(user, clock),
                rng=lambda: draw() / (1 << 63),
                addressing=KubeletAddressing(
                    address_types=("InternalIP", "ExternalIP", "Hostname"),
                    port=PORT,
                    use_status_port=True,
                ),
                settings=ScrapeSettings(resolution=resolution, timeout=resolution * 0.9),
            )
            source = key_pair_source("", "", "", now=clock.now(), random_serial=self._bits)
            serving = ServingOptions(server.address, PORT, source)
            await serve(parts, serving, server.stop)

    def _bits(self, count: int) -> int:
        return int.from_bytes(self._entropy((count + 7) // 8)) >> (-count % 8)

    async def _probe(self, server: _PodServer) -> None:
        """As the readinessProbe of the manifest: HTTPS, nothing verified, no credential."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = f"https://{server.address}:{PORT}/readyz"
        timeout = aiohttp.ClientTimeout(total=1.0)
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                await self._clock.sleep(_PROBE_EVERY)
                ready = False
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(url) as response:
                        ready = response.status == 200
                if not server.complaint:
                    server.show(ready=ready)


def _check(arguments: tuple[str, ...]) -> None:
    """What `kubevouch metrics-server` refuses. Raises UsageError."""
    if any(each.partition("=")[0] == _INSECURE for each in arguments):
        raise UsageError(
            _INSECURE, NEVER_INSECURE, "kubevouch doctor tells why kubelets are not trusted"
        )
