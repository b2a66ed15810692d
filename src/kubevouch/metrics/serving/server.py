"""A complete metrics server: it scrapes kubelets and serves their usage until it is asked to stop.

It runs as a process of its own (cli) or in another program, also several at once: `build_components`, then `serve`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials
from kubevouch.kubelet.io.fetch import KubeletRoots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.fleet import Fleet, KubeletAddressing
from kubevouch.metrics.scraper import ScrapeSettings
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.metrics.serving.discovery import apis
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.metrics.serving.objects import API_VERSION
from kubevouch.metrics.serving.openapi import openapi
from kubevouch.metrics.serving.probes import checks
from kubevouch.metrics.serving.scrape_log import ScrapeLog
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.access_gate import AccessGate, version
from kubevouch.serve.authentication import Authenticator
from kubevouch.serve.authorization import ALWAYS_ALLOWED, Authorizer
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.exposition import Exposition, new_registry
from kubevouch.serve.key_pair import KeyPairSource
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import Probes
from kubevouch.serve.process import StopEvent, TlsReloader

DRAIN: Final = 10.0
"""Seconds for requests in flight to finish at shutdown."""
NEVER_INSECURE: Final = "not here: a token would go to whoever answers on a node's address"
"""The answer to flags that would scrape kubelets without verifying them."""


class MetricsSource(Protocol):
    """Fills the store."""

    @property
    def fleet(self) -> Fleet:
        """The nodes and pods of the cluster."""
        ...

    @property
    def last_round(self) -> datetime | None:
        """When the last round of scrapes began."""
        ...

    async def run(self) -> None:
        """Fills the store until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """How the metrics API is served.

    flag_trust: authorities from flags. use_published: also trust what the API server publishes. tolerate_missing: start
    without it if it cannot be read. source: the serving certificate. resolution: seconds between two scrapes.
    """

    host: str
    port: int
    source: KeyPairSource
    resolution: float
    flag_trust: ClientTrust = field(default_factory=ClientTrust)
    use_published: bool = True
    tolerate_missing: bool = False
    always_allowed: tuple[str, ...] = ALWAYS_ALLOWED


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of a metrics server."""

    api: ApiClient
    clock: Clock
    log: Log
    store: MetricsStore
    source: MetricsSource
    registry: CollectorRegistry
    instruments: Instruments


def build_components(
    api: ApiClient,
    clock: Clock,
    log: Log,
    *,
    roots: Callable[[], KubeletRoots],
    credentials: Credentials,
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
        clock=clock,
        rng=rng,
        observer=scrape_log,
        addressing=addressing,
        settings=settings,
        node_selector=node_selector,
        check_time=check_time,
    )
    numbers = new_registry()
    scrape_log.instruments = Instruments(numbers, collector.store, lambda: collector.fleet.nodes)
    return Components(api, clock, log, collector.store, collector, numbers, scrape_log.instruments)


async def serve(
    parts: Components,
    options: ServingOptions,
    stop: StopEvent,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Serves until stop is requested. ready: called with the port once it listens. Raises KubevouchError, OSError."""
    reloader = TlsReloader(
        parts.api,
        parts.clock,
        parts.log,
        source=options.source,
        flag_trust=options.flag_trust,
        use_published=options.use_published,
    )
    authentication, tls = await reloader.start(tolerate_missing=options.tolerate_missing)
    gate = _gate(parts, options, authentication, stop)
    async with Listener(
        gate.answer, tls, parts.clock, host=options.host, port=options.port, drain=DRAIN
    ) as listener:
        parts.log.info("Serving securely", address=f"{options.host}:{listener.port}")
        ready(listener.port)
        await _until(stop, parts.source.run(), reloader.run())
        parts.log.info("Shutting down")


async def _until(stop: StopEvent, *work: Coroutine[Any, Any, None]) -> None:
    """Runs the coroutines until stop is requested, then cancels them. The first error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            await stop.wait()
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _gate(
    parts: Components, options: ServingOptions, authentication: Authenticator, stop: StopEvent
) -> AccessGate:
    fleet = parts.source.fleet
    observe = parts.instruments.freshness.observe
    served = MetricsApi(parts.store, fleet, parts.clock, observe)
    probes = Probes(
        checks(
            parts.store,
            fleet,
            parts.clock,
            last_round=lambda: parts.source.last_round,
            resolution=options.resolution,
            stopping=lambda: stop.requested,
        ),
        parts.log,
    )
    routes: dict[str, Handler] = {
        "/apis": apis,
        f"/apis/{API_VERSION}": _api_or_discovery(served),
        "/openapi": openapi,
        "/metrics": Exposition(parts.registry).answer,
        "/version": version,
        **dict.fromkeys(probes.paths, probes.answer),
    }
    allowed = Authorizer(parts.api, parts.clock, parts.log, always_allowed=options.always_allowed)
    return AccessGate(authentication, allowed, routes, parts.log)


def _api_or_discovery(served: MetricsApi) -> Handler:
    """A handler: discovery for the path of the version itself, the metrics API below it."""
    own = f"/apis/{API_VERSION}"
    return lambda request: (
        apis(request) if request.path.rstrip("/") == own else served.answer(request)
    )
