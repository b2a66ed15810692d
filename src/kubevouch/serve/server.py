"""A complete server: TLS with reloads, the access gate, the routes, and background tasks."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import MAX_IN_FLIGHT, AccessGate, version
from kubevouch.serve.authorization import ALWAYS_ALLOWED, Authorizer
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler, HttpRequest, HttpResponse, response_in_pieces
from kubevouch.serve.probes import NamedCheck, Probes, shutdown_check
from kubevouch.serve.tls_reload import TlsReloader, TlsSources
from kubevouch.tls import joined

DRAIN: Final = 10.0
"""Seconds for requests in flight to finish at shutdown."""
_PAGES: Final = ("readyz", "livez", "healthz")


@dataclass(frozen=True, slots=True)
class Delegation:
    """The API servers that authenticate and authorize our clients.

    authentication: the API server for TokenReviews and for the ConfigMap with CAs for client
    certificates (client_trust). authorization: the one for SubjectAccessReviews. If one is None,
    `api` of serve_part is used. always_allowed: paths open to everybody. tolerate_missing: start
    even if that ConfigMap cannot be read. token_ttl, allowed_ttl, denied_ttl: seconds to cache the
    answers about tokens and authorization.
    """

    authentication: ApiClient | None = None
    authorization: ApiClient | None = None
    token_ttl: float = 10.0
    allowed_ttl: float = 10.0
    denied_ttl: float = 10.0
    always_allowed: tuple[str, ...] = ALWAYS_ALLOWED
    tolerate_missing: bool = False


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """The address and the settings of a server.

    shutdown_delay: seconds to keep serving after a shutdown request, so that clients can move away.
    request_timeout: seconds for one request. most_in_flight: the limit of concurrent requests; 0
    means no limit.
    """

    host: str
    port: int
    tls: TlsSources
    delegation: Delegation = Delegation()
    shutdown_delay: float = 0.0
    request_timeout: float = 60.0
    most_in_flight: int = MAX_IN_FLIGHT


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class ServerPart:
    """What a server runs and serves in addition to the common parts.

    work: a background task, created once the server listens; runs until cancelled. checks: the
    health checks of `readyz`, `livez` and `healthz`. pages: returns more metrics as text, to follow
    those of the registry. routes: additional handlers. end: called when the server ends, even after
    an error.
    """

    work: Callable[[], Coroutine[Any, Any, None]]
    checks: Mapping[str, Sequence[NamedCheck]] = field(default_factory=dict)
    pages: Callable[[], Iterable[str]] = tuple
    routes: Mapping[str, Handler] = field(default_factory=dict)
    end: Callable[[], Awaitable[None]] = _nothing


async def serve_part(
    api: ApiClient,
    clock: Clock,
    log: Log,
    options: ServingOptions,
    *,
    part: ServerPart,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Serves until options.shutdown_delay after `stop` is set, and finishes requests in progress.

    registry: the metrics for /metrics. ready: called with the port once the server listens. Raises
    KubevouchError, OSError.
    """
    asked = options.delegation
    reloader = TlsReloader(
        asked.authentication or api, clock, log, options.tls, token_ttl=asked.token_ttl
    )
    try:
        authentication, tls = await reloader.start(tolerate_missing=asked.tolerate_missing)
        allowed = Authorizer(
            asked.authorization or api,
            clock,
            log,
            always_allowed=asked.always_allowed,
            allowed_ttl=asked.allowed_ttl,
            denied_ttl=asked.denied_ttl,
        )
        gate = AccessGate(
            authentication,
            allowed,
            _routes(part, registry, log, stop),
            log,
            clock,
            most_in_flight=options.most_in_flight,
        )
        async with Listener(
            gate.answer,
            tls,
            clock,
            host=options.host,
            port=options.port,
            drain=DRAIN,
            request_timeout=options.request_timeout,
            goes_first=authentication.is_front_proxy,
            cannot_accept=lambda error: log.error(error, "Failed to accept connections; retrying"),
        ) as listener:
            serves = f"Serving securely on {joined(listener.address, listener.port)}"
            log.info(serves)
            ready(listener.port)

            async def end() -> None:
                await stop.wait()
                log.info("Shutting down")
                listener.leaving = True
                await clock.sleep(options.shutdown_delay)

            authority = options.tls.authority
            kept = () if authority is None else (authority.run(),)
            await _run_until(end(), part.work(), reloader.run(), listener.accepts(), *kept)
    finally:
        await part.end()


def _routes(
    part: ServerPart, registry: CollectorRegistry, log: Log, stop: asyncio.Event
) -> dict[str, Handler]:
    checks = {page: list(part.checks.get(page, ())) for page in _PAGES}
    checks["readyz"].append(shutdown_check(stop.is_set))
    probes = Probes(checks, log)
    return {
        "/metrics": exposition(registry, part.pages),
        "/version": version,
        **dict.fromkeys(probes.paths, probes.answer),
        **part.routes,
    }


async def _run_until(end: Coroutine[Any, Any, None], *work: Coroutine[Any, Any, None]) -> None:
    """Runs the tasks until `end` returns, then cancels them.

    If tasks fail, raises the first error, not an exception group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            await end
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"


def new_registry() -> CollectorRegistry:
    """A new registry with the metrics of this process. prometheus_client's global registry stays empty."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made


def exposition(whole: CollectorRegistry, pages: Callable[[], Iterable[str]] = tuple) -> Handler:
    """A handler for /metrics: the registry's metrics, then those that `pages` returns as text.

    Like Go's handler, it compresses a response of any size if the client accepts that.
    """
    # Go's Prometheus client writes no `_created` series.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    async def text() -> AsyncGenerator[bytes, None]:
        yield generate_latest(whole)
        for piece in pages():
            yield piece.encode()

    async def answer(request: HttpRequest) -> HttpResponse:
        return await response_in_pieces(request, text(), CONTENT_TYPE, compress_from=0)

    return answer
