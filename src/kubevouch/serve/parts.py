"""Programs that serve their metrics and probes together: each alone, or several in one process behind one listener."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
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
    """A program as a server has it.

    work: what it does until cancelled. checks: of `readyz`, `livez`, `healthz`. pages: metrics that are made as text, besides
    those of the registry. routes: what it serves besides. end: called at the very end, whatever has happened.
    """

    work: Callable[[], Coroutine[Any, Any, None]]
    checks: Mapping[str, Sequence[NamedCheck]] = field(default_factory=dict)
    pages: Callable[[], Iterable[str]] = tuple
    routes: Mapping[str, Handler] = field(default_factory=dict)
    end: Callable[[], Awaitable[None]] = _nothing


async def make_parts(
    makers: Sequence[Callable[[], Awaitable[ServerPart]]],
) -> list[ServerPart]:
    """Makes one part after the other. Where one cannot be made those before it are ended, and its error is raised."""
    made: list[ServerPart] = []
    try:
        for make in makers:
            made.append(await make())  # noqa: PERF401 - what is made by then is ended
    except BaseException:
        with contextlib.suppress(Exception):
            await _end(made)
        raise
    return made


async def serve_parts(
    api: ApiClient,
    clock: Clock,
    log: Log,
    options: ServingOptions,
    *,
    parts: Sequence[ServerPart],
    registry: CollectorRegistry,
    stop: StopEvent,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Runs all parts until stop is requested, or one has failed. registry: the metrics of all.

    It is ready, and alive, where all parts are. ready: called with the port. Raises KubevouchError, OSError.
    """

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in parts:
                tasks.create_task(each.work())

    try:
        await serve_routes(
            api,
            clock,
            log,
            options,
            routes=_routes(parts, registry, log, stop),
            work=work,
            stop=stop,
            ready=ready,
        )
    finally:
        await _end(parts)


async def _end(parts: Sequence[ServerPart]) -> None:
    """Ends each part, also if another one cannot be ended. Raises what the last of those has raised."""
    async with contextlib.AsyncExitStack() as ends:
        for each in reversed(parts):
            ends.push_async_callback(each.end)


def _routes(
    parts: Sequence[ServerPart], registry: CollectorRegistry, log: Log, stop: StopEvent
) -> dict[str, Handler]:
    def pages() -> Iterator[str]:
        for each in parts:
            yield from each.pages()

    checks = {page: [c for each in parts for c in each.checks.get(page, ())] for page in _PAGES}
    checks["readyz"].append(shutdown_check(lambda: stop.requested))
    probes = Probes(checks, log)
    return {
        "/metrics": Exposition(registry, pages).answer,
        "/version": version,
        **dict.fromkeys(probes.paths, probes.answer),
        **{path: handler for each in parts for path, handler in each.routes.items()},
    }
