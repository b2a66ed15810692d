"""A metrics server, whole: scrapes, and serves what it has, until somebody wants an end.

As a process of its own (cli), or several of them in somebody else's: `build_components`, then `serve`.
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
"""Seconds that requests get to end in."""
NEVER_INSECURE: Final = "not here: a token would go to whoever answers on a node's address"
"""What is said to whoever wants metrics of kubelets that nobody verifies."""


class MetricsSource(Protocol):
    """What fills the store."""

    @property
    def fleet(self) -> Fleet:
        """Which nodes and pods there are."""
        ...

    @property
    def last_round(self) -> datetime | None:
        """When the last round of scrapes began."""
        ...

    async def run(self) -> None:
        """For ever."""
        ...


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """How it is served. flag_trust: authorities from flags. use_published: those that the API server publishes, too; tolerate_missing: serve without them if it publishes none."""

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
    """What a metrics server is made of."""

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
    """A metrics server's parts, put together; the arguments are Collector's."""
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
    """Until stop is requested. ready: told the port once it listens. Raises KubevouchError, OSError."""
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
    """Runs what never ends until an end is wanted; what breaks before is raised as it is."""
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
    """The version's own path is discovery; what is below it is the API."""
    own = f"/apis/{API_VERSION}"
    return lambda request: (
        apis(request) if request.path.rstrip("/") == own else served.answer(request)
    )
