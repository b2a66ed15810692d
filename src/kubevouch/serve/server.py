"""A whole server: TLS that is reloaded, the access gate, the routes behind it, and the work that goes on meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.access_gate import AccessGate
from kubevouch.serve.authorization import ALWAYS_ALLOWED, Authorizer
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.key_pair import KeyPairSource
from kubevouch.serve.listener import Listener
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.process import StopEvent, TlsReloader
from kubevouch.tls import joined

DRAIN: Final = 10.0
"""Seconds for requests in flight to finish at shutdown."""
_EVENT: Final = "[graceful-termination] shutdown event"
"""With -v=1, as apiserver's pkg/server/genericapiserver.go."""


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Where and how a server serves.

    source: the serving certificate. flag_trust: authorities from flags. use_published: also trust what the API server
    publishes. tolerate_missing: start without it if it cannot be read. always_allowed: paths open to everybody.
    shutdown_delay: seconds to go on serving after shutdown is requested, until nobody is sent here any more.
    """

    host: str
    port: int
    source: KeyPairSource
    flag_trust: ClientTrust = field(default_factory=ClientTrust)
    use_published: bool = True
    tolerate_missing: bool = False
    always_allowed: tuple[str, ...] = ALWAYS_ALLOWED
    shutdown_delay: float = 0.0


async def serve_routes(
    api: ApiClient,
    clock: Clock,
    log: Log,
    options: ServingOptions,
    *,
    routes: Mapping[str, Handler],
    work: Callable[[], Coroutine[Any, Any, None]],
    stop: StopEvent,
    ready: Callable[[int], None] = lambda _: None,
    audit_id: Callable[[], str] | None = None,
) -> None:
    """Serves and works until stop is requested and the delay is over; then what is being asked is still answered.

    work: made once the server listens. ready: called with the port. audit_id: see AccessGate. Raises KubevouchError, OSError.
    """
    reloader = TlsReloader(
        api,
        clock,
        log,
        source=options.source,
        flag_trust=options.flag_trust,
        use_published=options.use_published,
    )
    authentication, tls = await reloader.start(tolerate_missing=options.tolerate_missing)
    allowed = Authorizer(api, clock, log, always_allowed=options.always_allowed)
    gate = AccessGate(authentication, allowed, routes, log, audit_id=audit_id)
    async with Listener(
        gate.answer, tls, clock, host=options.host, port=options.port, drain=DRAIN
    ) as listener:
        log.info("Serving securely", address=joined(options.host, listener.port))
        ready(listener.port)

        async def end() -> None:
            await stop.wait()
            log.info("Shutting down")
            log.verbose(1, _EVENT, name="ShutdownInitiated")
            listener.leaving = True
            await clock.sleep(options.shutdown_delay)
            log.verbose(1, _EVENT, name="AfterShutdownDelayDuration")

        await _until(end(), work(), reloader.run())
    log.verbose(1, _EVENT, name="HTTPServerStoppedListening")


async def _until(end: Coroutine[Any, Any, None], *work: Coroutine[Any, Any, None]) -> None:
    """Runs the coroutines until `end` returns, then cancels them. The first error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            await end
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
