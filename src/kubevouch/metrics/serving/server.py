"""A complete metrics server: it scrapes kubelets and serves their usage until it is asked to stop.

It runs as a process of its own (cli) or in another program, also several at once: `build_components`, then `serve`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.fleet import Fleet
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.metrics.serving.discovery import Discovery, openapi
from kubevouch.metrics.serving.instruments import Instruments, ScrapeLog
from kubevouch.metrics.serving.objects import API_VERSION, go_duration
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.access_gate import version
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import NamedCheck, Probes, passing, shutdown_check
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import Exposition, ServingOptions, new_registry, serve_routes


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
    settings: ScrapeSettings,
) -> Components:
    """The parts of a metrics server, connected. The arguments are those of Collector."""
    numbers = new_registry()
    instruments = Instruments(numbers, settings.resolution)
    collector = Collector(
        api,
        roots=roots,
        credentials=credentials,
        certificate=certificate,
        clock=clock,
        rng=rng,
        observer=ScrapeLog(log, clock, instruments, settings.timeout),
        settings=settings,
    )
    return Components(api, clock, log, collector, numbers, instruments, settings.resolution)


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

    def pages() -> Iterator[str]:
        return parts.instruments.pages(parts.store, collector.results)

    return {
        "/apis": discovery.answer,
        f"/apis/{API_VERSION}": _api_or_discovery(served, discovery),
        "/openapi": openapi,
        "/metrics": Exposition(parts.registry, pages).answer,
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


_MAX_ROUNDS = 1.5


_HOOKS = tuple(
    NamedCheck(f"poststarthook/{name}", passing)
    for name in ("max-in-flight-filter", "storage-object-count-tracker-hook")
)
"""What apiserver starts once it listens. Here both are there from the beginning, or not needed at all."""


def checks(
    store: MetricsStore,
    fleet: Fleet,
    clock: Clock,
    *,
    last_round: Callable[[], datetime],
    held_back: Callable[[], str],
    resolution: float,
    stopping: Callable[[], bool],
) -> dict[str, tuple[NamedCheck, ...]]:
    """The checks by page. last_round: returns the moment up to which every node was scraped. resolution: seconds.

    held_back: returns why the server must not become ready although it has metrics, "" if it may.
    """

    def since_round() -> float:
        return (clock.now() - last_round()).total_seconds()

    def timely() -> str | None:
        late = since_round() > _MAX_ROUNDS * resolution
        return "metric collection didn't finish on time" if late else None

    def log_values() -> dict[str, str]:
        seconds = {"duration": since_round(), "maxDuration": _MAX_ROUNDS * resolution}
        return {name: go_duration(int(value * 1e9)) for name, value in seconds.items()}

    def stored() -> str | None:
        if not (store.node_points and store.container_points):
            return "no metrics to serve"
        return held_back() or None

    def synced() -> str | None:
        return None if fleet.synced else "cache for node informer has not synced"

    def metadata() -> str | None:
        return None if fleet.synced else "1 informers not started yet: [/v1, Resource=pods]"

    informer = NamedCheck("metadata-informer-sync", metadata)
    return {
        "readyz": (
            *_HOOKS,
            NamedCheck("metric-storage-ready", stored),
            NamedCheck("metric-informer-sync", synced),
            informer,
            shutdown_check(stopping),
        ),
        "livez": (*_HOOKS, NamedCheck("metric-collection-timely", timely, log_values), informer),
        "healthz": (*_HOOKS, informer),
    }
