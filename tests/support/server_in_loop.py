"""A server in the event loop of a test, in front of a small cluster; and a metrics server there, on a clock that the test winds."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from kubevouch.clock import Clock
from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import UserCredentials
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.server import MetricsServer
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.server import ServingOptions
from kubevouch.serve.tls_reload import TlsSources
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import answered, client_context
from tests.support.small_cluster import SmallCluster

ADMIN = [("X-Remote-User", "admin")]
RESOLUTION = 15.0
Ready = Callable[[int], None]


@dataclass
class ServerInLoop:
    """A server of kubevouch's that serves, with a certificate of its own."""

    cluster: SmallCluster
    source: KeyPairSource
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    lines: list[str] = field(default_factory=list)
    port: int = 0

    async def get(self, path: str) -> tuple[int, str]:
        """As whom the API server lets in."""
        context = client_context(self.source.read().chain, self.cluster.authorities.front_proxy)
        return await answered(self.port, path, context, ADMIN)

    @contextlib.asynccontextmanager
    async def serves(
        self, serving: Callable[[Ready], Coroutine[Any, Any, None]]
    ) -> AsyncIterator[None]:
        """Until the end of the block. serving: called with whom to tell the port."""
        listens = asyncio.Event()

        def ready(port: int) -> None:
            self.port = port
            listens.set()

        task = asyncio.create_task(serving(ready))
        try:
            await listens.wait()
            yield
        finally:
            self.stop.set()
            await task


def pair_of_its_own(cluster: SmallCluster, clock: Clock) -> KeyPairSource:
    numbers = random.Random(cluster.server.port)
    return key_pair_source("", "", "", now=clock.now(), random_serial=numbers.getrandbits)


@contextlib.asynccontextmanager
async def server_in_loop(
    cluster: SmallCluster, clock: SteppedClock, resolution: float = RESOLUTION
) -> AsyncIterator[ServerInLoop]:
    """It serves until the end of the block."""
    access = cluster_access({}, kubeconfig=str(cluster.kubeconfig))
    one = ServerInLoop(cluster, pair_of_its_own(cluster, clock))
    roots = KubeletRoots(cluster.authorities.cluster.pem)
    async with ApiClient(access, clock=clock, environ={}) as api:
        server = MetricsServer(
            api,
            clock,
            Log(one.lines.append, clock),
            KubeletAccess(lambda: roots, UserCredentials(access.user, clock)),
            rng=lambda: 0.0,
            settings=ScrapeSettings(resolution=resolution, use_status_port=True, check_time=False),
        )
        options = ServingOptions("127.0.0.1", 0, TlsSources(one.source))
        async with one.serves(lambda ready: server.serve(options, one.stop, ready)):
            yield one
