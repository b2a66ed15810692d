"""A complete metrics server: it scrapes kubelets and serves their usage until it is asked to stop.

It runs as a process of its own (cli) or in another program, also several at once: `build_components`, then `serve`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.metrics.serving.discovery import Discovery
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.metrics.serving.objects import API_VERSION
from kubevouch.metrics.serving.openapi import openapi
from kubevouch.metrics.serving.probes import checks
from kubevouch.metrics.serving.scrape_log import ScrapeLog
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.access_gate import version
from kubevouch.serve.exposition import Exposition, new_registry
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import Probes
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions, serve_routes


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of a metrics server. resolution: seconds between two scrapes of a node."""

    api: ApiClient
    clock: Clock
    log: Log
    collector: Collector
    registry: CollectorRegistry
    instruments: Instruments
    resolution: float

    @property
    def store(self) -> MetricsStore:
        """What is served."""
        return self.collector.store


def build_components(
    api: ApiClient,
    clock: Clock,
    log: Log,
    *,
    roots: Callable[[], KubeletRoots],
    credentials: Credentials,
    certificate: Credentials | None = None,
    rng: Callable[[], float],
    addressing: KubeletAddressing,
    settings: ScrapeSettings,
    node_selector: str = "",
    check_time: bool = True,
) -> Components:
    """The parts of a metrics server, connected. The arguments are those of Collector."""
    scrape_log = ScrapeLog(log, clock, settings.timeout)
    collector = Collector(
        api,
        roots=roots,
        credentials=credentials,
        certificate=certificate,
        clock=clock,
        rng=rng,
        observer=scrape_log,
        addressing=addressing,
        settings=settings,
        node_selector=node_selector,
        check_time=check_time,
    )
    numbers = new_registry()
    scrape_log.instruments = Instruments(
        numbers,
        collector.store,
        lambda: collector.fleet.nodes,
        settings.resolution,
        lambda: collector.results,
    )
    return Components(
        api, clock, log, collector, numbers, scrape_log.instruments, settings.resolution
    )


async def serve(
    parts: Components,
    options: ServingOptions,
    stop: StopEvent,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Serves until stop is requested. ready: called with the port once it listens. Raises KubevouchError, OSError."""
    await serve_routes(
        parts.api,
        parts.clock,
        parts.log,
        options,
        routes=_routes(parts, stop, f":{options.port}"),
        work=parts.collector.run,
        stop=stop,
        ready=ready,
    )


def _routes(parts: Components, stop: StopEvent, address: str) -> dict[str, Handler]:
    collector = parts.collector
    found = checks(
        parts.store,
        collector.fleet,
        parts.clock,
        last_round=lambda: collector.last_round,
        held_back=lambda: collector.held_back,
        resolution=parts.resolution,
        stopping=lambda: stop.requested,
    )
    probes = Probes(found, parts.log)
    served = MetricsApi(parts.store, collector.fleet, parts.clock, parts.instruments.served)
    discovery = Discovery(address)
    return {
        "/apis": discovery.answer,
        f"/apis/{API_VERSION}": _api_or_discovery(served, discovery),
        "/openapi": openapi,
        "/metrics": Exposition(parts.registry, parts.instruments.pages).answer,
        "/version": version,
        **dict.fromkeys(probes.paths, probes.answer),
    }


def _api_or_discovery(served: MetricsApi, discovery: Discovery) -> Handler:
    """A handler: discovery for the path of the version itself, the metrics API below it."""
    own = f"/apis/{API_VERSION}"
    return lambda request: (
        discovery.answer(request)
        if request.path.removesuffix("/") == own
        else served.answer(request)
    )
