"""A complete metrics server: scrapes kubelets and serves their usage until it is stopped.

It runs as its own process (cli) or in another program, where several can run at once.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import METRICS_GROUP, METRICS_VERSIONS
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.fleet import Fleet
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.metrics.serving.discovery import Discovery, openapi
from kubevouch.metrics.serving.instruments import Instruments, ScrapeLog
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler, HttpRequest, HttpResponse
from kubevouch.serve.probes import NamedCheck, passing
from kubevouch.serve.server import ServerPart, ServingOptions, new_registry, serve_part


class MetricsServer:
    """A metrics server. Most arguments are those of Collector."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        access: KubeletAccess,
        *,
        rng: Callable[[], float],
        settings: ScrapeSettings,
    ) -> None:
        self._api, self._clock, self._log = api, clock, log
        self._resolution = settings.resolution
        self._registry = new_registry()
        self._instruments = Instruments(self._registry, settings.resolution)
        self._collector = Collector(
            api,
            access,
            clock=clock,
            rng=rng,
            observer=ScrapeLog(log, clock, self._instruments, settings.timeout),
            settings=settings,
        )

    @property
    def store(self) -> MetricsStore:
        """The usage that this server serves."""
        return self._collector.store

    async def serve(
        self,
        options: ServingOptions,
        stop: asyncio.Event,
        ready: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Serves until stop is requested. Raises KubevouchError, OSError.

        ready: called with the port once the server listens.
        """
        collector, instruments = self._collector, self._instruments
        served = MetricsApi(self.store, collector.fleet, self._clock, instruments.served)
        discovery = Discovery(f":{options.port}")
        part = ServerPart(
            work=collector.run,
            checks=checks(
                self.store,
                collector.fleet,
                self._clock,
                last_round=lambda: collector.scraper.last_round,
                held_back=lambda: collector.held_back,
                resolution=self._resolution,
            ),
            pages=lambda: instruments.pages(self.store, collector.scraper.results),
            routes={
                "/apis": discovery.answer,
                **{
                    f"/apis/{METRICS_GROUP}/{version}": _api_or_discovery(
                        version, served, discovery, instruments
                    )
                    for version in METRICS_VERSIONS
                },
                "/openapi": openapi,
            },
        )
        await serve_part(
            self._api,
            self._clock,
            self._log,
            options,
            part=part,
            registry=self._registry,
            stop=stop,
            ready=ready,
        )


def _api_or_discovery(
    version: str, served: MetricsApi, discovery: Discovery, instruments: Instruments
) -> Handler:
    """Routes a version's own path to discovery, and paths below it to the metrics API."""

    async def answer(request: HttpRequest) -> HttpResponse:
        if request.path.removesuffix("/") == f"/apis/{METRICS_GROUP}/{version}":
            return await discovery.answer(request)
        code = 500  # if it raises, the gate sends 500
        try:
            response = await served.answer(request)
            code = response.code
        finally:
            instruments.answered(version, code)
        return response

    return answer


_MAX_ROUNDS = 1.5


_HOOKS = tuple(
    NamedCheck(f"poststarthook/{name}", passing)
    for name in ("max-in-flight-filter", "storage-object-count-tracker-hook")
)
"""The checks of the post-start hooks in Go's apiserver library. This server needs no such hooks, so
the checks always pass."""


def checks(
    store: MetricsStore,
    fleet: Fleet,
    clock: Clock,
    *,
    last_round: Callable[[], datetime],
    held_back: Callable[[], str],
    resolution: float,
) -> dict[str, tuple[NamedCheck, ...]]:
    """The checks of each probe page.

    last_round: returns when the oldest unfinished scrape was due, or the current time if none is.
    resolution: seconds between two scrapes of a node. held_back: returns why the server must not
    become ready although it has metrics, "" if it may.
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
        ),
        "livez": (*_HOOKS, NamedCheck("metric-collection-timely", timely, log_values), informer),
        "healthz": (*_HOOKS, informer),
    }
