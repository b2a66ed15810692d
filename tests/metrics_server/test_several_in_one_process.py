"""Three metrics servers in one event loop, on a clock that stands still until it is wound: as the lab has them."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import fixed_or_files
from kubevouch.kubelet.io.fetch import KubeletRoots
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraper import ScrapeSettings
from kubevouch.metrics.serving.server import build_components, serve
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions
from tests.support.authority import Pair
from tests.support.clocks import SteppedClock
from tests.support.front_proxy import client_context
from tests.support.small_cluster import METRICS, SmallCluster, small_cluster

ADMIN = [("X-Remote-User", "admin")]
RESOLUTION = 15.0


@dataclass
class One:
    """A server of several."""

    source: KeyPairSource
    stop: StopEvent = field(default_factory=StopEvent)
    lines: list[str] = field(default_factory=list)
    port: int = 0

    async def get(self, path: str, pair: Pair) -> tuple[int, str]:
        context = client_context(self.source.read().chain, pair)
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"https://127.0.0.1:{self.port}{path}", headers=ADMIN, ssl=context
            ) as answer,
        ):
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def running(cluster: SmallCluster, clock: SteppedClock) -> AsyncIterator[One]:
    access = cluster_access({}, kubeconfig=str(cluster.kubeconfig))
    numbers = random.Random(cluster.server.port)
    source = key_pair_source("", "", "", now=clock.now(), random_serial=numbers.getrandbits)
    one, listens = One(source), asyncio.Event()
    roots = KubeletRoots(cluster.authorities.cluster.pem)

    def ready(port: int) -> None:
        one.port = port
        listens.set()

    async with ApiClient(access, clock=clock, environ={}) as api:
        parts = build_components(
            api,
            clock,
            Log(one.lines.append, clock),
            roots=lambda: roots,
            credentials=fixed_or_files(access.user, clock),
            rng=lambda: 0.0,
            addressing=KubeletAddressing(use_status_port=True),
            settings=ScrapeSettings(resolution=RESOLUTION),
            check_time=False,
        )
        serving = ServingOptions("127.0.0.1", 0, source)
        task = asyncio.create_task(serve(parts, serving, one.stop, ready))
        try:
            await listens.wait()
            yield one
        finally:
            one.stop.request()
            await task


async def test_each_serves_the_same_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    clock = SteppedClock(datetime.now(UTC))
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(
            small_cluster(tmp_path, lambda: clock.now().timestamp())
        )
        servers = [await stack.enter_async_context(running(cluster, clock)) for _ in range(3)]
        front = cluster.authorities.front_proxy
        for server in servers:
            while len(await _nodes(server, front)) < 2:
                # A second of theirs takes a moment of ours: what was sent meanwhile has its turn.
                await clock.pass_(1)
                await asyncio.sleep(0.005)
            assert (await server.get("/readyz", front))[1] == "ok"
        first, *others = [await _nodes(server, front) for server in servers]
        assert [each["usage"]["memory"] for each in first] == ["123Mi", "123Mi"]
        assert all([each["metadata"]["name"] for each in other] == ["n1", "n2"] for other in others)
        assert all(not [line for line in server.lines if line[0] == "E"] for server in servers)
        # Without scrapes it is no longer alive, whoever still answers.
        clock.jump(_longer())
        assert "[-]metric-collection-timely failed" in (await servers[0].get("/livez", front))[1]
    for task in asyncio.all_tasks() - before:
        assert "serve" not in str(task), task


async def _nodes(server: One, pair: Pair) -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = json.loads(
        (await server.get(f"{METRICS}/nodes", pair))[1]
    )["items"]
    return items


def _longer() -> timedelta:
    """Longer than every node's next scrape was away, and one and a half rounds more."""
    return timedelta(seconds=(1.5 + 1.5) * RESOLUTION + 1)
