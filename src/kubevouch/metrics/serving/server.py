"""A metrics server, whole: scrapes, and serves what it has, until somebody wants an end.

As a process of its own (cli), or several of them in somebody else's: `parts_of`, then `serve`.
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
from kubevouch.kubelet.io.fetch import Roots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.fleet import Dialling, Fleet
from kubevouch.metrics.scraper import Rhythm
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.metrics.serving.discovery import apis
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.metrics.serving.objects import API_VERSION
from kubevouch.metrics.serving.openapi import openapi
from kubevouch.metrics.serving.probes import checks
from kubevouch.metrics.serving.telling import Telling
from kubevouch.metrics.store import Store
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


class Scraping(Protocol):
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
class Serving:
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
class Parts:
    """What a metrics server is made of."""

    api: ApiClient
    clock: Clock
    log: Log
    store: Store
    scraping: Scraping
    registry: CollectorRegistry
    instruments: Instruments


def parts_of(
    api: ApiClient,
    clock: Clock,
    log: Log,
    *,
    roots: Callable[[], Roots],
    credentials: Credentials,
    chance: Callable[[], float],
    dialling: Dialling,
    rhythm: Rhythm,
    node_selector: str = "",
    check_time: bool = True,
) -> Parts:
    """A metrics server's parts, put together; the arguments are Collector's."""
    telling = Telling(log, clock, rhythm.timeout)
    collector = Collector(
        api,
        roots=roots,
        credentials=credentials,
        clock=clock,
        chance=chance,
        listener=telling,
        dialling=dialling,
        rhythm=rhythm,
        node_selector=node_selector,
        check_time=check_time,
    )
    numbers = new_registry()
    telling.instruments = Instruments(numbers, collector.store, lambda: collector.fleet.nodes)
    return Parts(api, clock, log, collector.store, collector, numbers, telling.instruments)


async def serve(
    parts: Parts, serving: Serving, stop: StopEvent, ready: Callable[[int], None] = lambda _: None
) -> None:
    """Until stop is requested. ready: told the port once it listens. Raises KubevouchError, OSError."""
    reloader = TlsReloader(
        parts.api,
        parts.clock,
        parts.log,
        source=serving.source,
        flag_trust=serving.flag_trust,
        use_published=serving.use_published,
    )
    authentication, tls = await reloader.start(tolerate_missing=serving.tolerate_missing)
    gate = _gate(parts, serving, authentication, stop)
    async with Listener(
        gate.answer, tls, parts.clock, host=serving.host, port=serving.port, drain=DRAIN
    ) as listener:
        parts.log.info("Serving securely", address=f"{serving.host}:{listener.port}")
        ready(listener.port)
        await _until(stop, parts.scraping.run(), reloader.run())
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
    parts: Parts, serving: Serving, authentication: Authenticator, stop: StopEvent
) -> AccessGate:
    fleet = parts.scraping.fleet
    observe = parts.instruments.freshness.observe
    served = MetricsApi(parts.store, fleet, parts.clock, observe)
    probes = Probes(
        checks(
            parts.store,
            fleet,
            parts.clock,
            last_round=lambda: parts.scraping.last_round,
            resolution=serving.resolution,
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
    allowed = Authorizer(parts.api, parts.clock, parts.log, always_allowed=serving.always_allowed)
    return AccessGate(authentication, allowed, routes, parts.log)


def _api_or_discovery(served: MetricsApi) -> Handler:
    """The version's own path is discovery; what is below it is the API."""
    own = f"/apis/{API_VERSION}"
    return lambda request: (
        apis(request) if request.path.rstrip("/") == own else served.answer(request)
    )
