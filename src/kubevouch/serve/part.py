"""A program that serves its metrics and probes behind one listener."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import version
from kubevouch.serve.exposition import Exposition
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import NamedCheck, Probes, shutdown_check
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions, serve_routes

_PAGES: Final = ("readyz", "livez", "healthz")


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class ServerPart:
    """What a server runs and serves.

    work: runs until cancelled. checks: of `readyz`, `livez`, `healthz`. pages: metrics that are made as text, besides
    those of the registry. end: called at the very end, whatever has happened.
    """

    work: Callable[[], Coroutine[Any, Any, None]]
    checks: Mapping[str, Sequence[NamedCheck]] = field(default_factory=dict)
    pages: Callable[[], Iterable[str]] = tuple
    end: Callable[[], Awaitable[None]] = _nothing


async def serve_part(
    api: ApiClient,
    clock: Clock,
    log: Log,
    options: ServingOptions,
    *,
    part: ServerPart,
    registry: CollectorRegistry,
    stop: StopEvent,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Runs a program until stop is requested, or it fails. registry: its metrics. ready: called with the port.

    Raises KubevouchError, OSError.
    """
    checks = {page: list(part.checks.get(page, ())) for page in _PAGES}
    checks["readyz"].append(shutdown_check(lambda: stop.requested))
    probes = Probes(checks, log)
    routes: dict[str, Handler] = {
        "/metrics": Exposition(registry, part.pages).answer,
        "/version": version,
        **dict.fromkeys(probes.paths, probes.answer),
    }
    try:
        await serve_routes(
            api, clock, log, options, routes=routes, work=part.work, stop=stop, ready=ready
        )
    finally:
        await part.end()
