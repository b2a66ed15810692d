"""A metrics server in the event loop of a test, in front of a small cluster, on a clock that the test winds."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import UserCredentials
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.server import MetricsServer
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions
from kubevouch.serve.tls_reload import TlsSources
from tests.support.authority import Pair
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import answered, client_context
from tests.support.small_cluster import SmallCluster

ADMIN = [("X-Remote-User", "admin")]
RESOLUTION = 15.0


@dataclass
class ServerInLoop:
    """A metrics server that serves."""

    source: KeyPairSource
    stop: StopEvent = field(default_factory=StopEvent)
    lines: list[str] = field(default_factory=list)
    port: int = 0

    async def get(self, path: str, pair: Pair) -> tuple[int, str]:
        context = client_context(self.source.read().chain, pair)
        return await answered(self.port, path, context, ADMIN)


@contextlib.asynccontextmanager
async def server_in_loop(
    cluster: SmallCluster, clock: SteppedClock, resolution: float = RESOLUTION
) -> AsyncIterator[ServerInLoop]:
    """It serves until the end of the block."""
    access = cluster_access({}, kubeconfig=str(cluster.kubeconfig))
    numbers = random.Random(cluster.server.port)
    source = key_pair_source("", "", "", now=clock.now(), random_serial=numbers.getrandbits)
    one, listens = ServerInLoop(source), asyncio.Event()
    roots = KubeletRoots(cluster.authorities.cluster.pem)

    def ready(port: int) -> None:
        one.port = port
        listens.set()

    async with ApiClient(access, clock=clock, environ={}) as api:
        server = MetricsServer(
            api,
            clock,
            Log(one.lines.append, clock),
            KubeletAccess(lambda: roots, UserCredentials(access.user, clock)),
            rng=lambda: 0.0,
            settings=ScrapeSettings(resolution=resolution, use_status_port=True, check_time=False),
        )
        serving = ServingOptions("127.0.0.1", 0, TlsSources(source))
        task = asyncio.create_task(server.serve(serving, one.stop, ready))
        try:
            await listens.wait()
            yield one
        finally:
            one.stop.request()
            await task
