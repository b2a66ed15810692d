"""An exporter in the event loop of a test, in front of a small cluster."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from kubevouch.clock import Clock
from kubevouch.inventory.act.exporter import Exporter, ExporterSettings
from kubevouch.inventory.act.instruments import ExporterInstruments
from kubevouch.kube.access import cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.logs import Log
from kubevouch.serve.server import ServingOptions, new_registry, serve_part
from kubevouch.serve.tls_reload import TlsSources
from tests.support.scripted.kinds import KINDS
from tests.support.server_in_loop import ServerInLoop, pair_of_its_own
from tests.support.small_cluster import SmallCluster
from tests.support.unhurried import GENEROUS

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


class RunningExporter(ServerInLoop):
    """An exporter that serves."""

    api: ApiClient

    async def samples(self) -> Samples:
        """The page, as Prometheus' parser reads it: no series is there twice."""
        code, text = await self.get("/metrics")
        assert code == 200
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                of = found.setdefault(each.name, {})
                labels = tuple(sorted(each.labels.items()))
                assert labels not in of
                of[labels] = each.value
        return found

    async def until(self, true: Callable[[Samples], bool]) -> Samples:
        """Waits until what is served is so."""
        async with asyncio.timeout(GENEROUS):
            while not true(found := await self.samples()):
                await asyncio.sleep(0.05)
        return found


def by_node(found: Samples, name: str) -> dict[str, float]:
    """The values of a family, by node."""
    return {dict(labels)["node"]: value for labels, value in found.get(name, {}).items()}


@contextlib.asynccontextmanager
async def running_exporter(
    cluster: SmallCluster, clock: Clock, settings: ExporterSettings | None = None
) -> AsyncIterator[RunningExporter]:
    """It serves until the end of the block."""
    ca = cluster.authorities.cluster.pem.decode()
    # As kube-controller-manager publishes it.
    published = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}}
    cluster.server.store.create(KINDS["", "v1", "configmaps"], published, "kube-system")
    access = cluster_access({}, kubeconfig=str(cluster.kubeconfig))
    one, registry = RunningExporter(cluster, pair_of_its_own(cluster, clock)), new_registry()
    instruments = ExporterInstruments(registry)
    async with ApiClient(access, clock=clock, environ={}, observe=instruments.request) as api:
        one.api = api
        exporter = Exporter(
            api,
            Log(one.lines.append, clock),
            settings or ExporterSettings(),
            instruments=instruments,
            rng=lambda: 0.0,
        )
        options = ServingOptions("127.0.0.1", 0, TlsSources(one.source))
        serving = partial(
            serve_part,
            api,
            api.server_clock,
            Log(one.lines.append, clock),
            options,
            part=exporter.part,
            registry=registry,
            stop=one.stop,
        )
        async with one.serves(lambda ready: serving(ready=ready)):
            yield one
