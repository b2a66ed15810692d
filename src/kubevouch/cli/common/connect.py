"""Connects to the cluster that --kubeconfig and --context name, in the same way for every verb."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from kubevouch.cli.common.loopback import loopback_kubelets
from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.access import ClusterAccess, cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.system_clock import SystemClock

T = TypeVar("T")


def access_of(terminal: Terminal, kubeconfig: str | None, context: str | None) -> ClusterAccess:
    """The access that kubectl would use. Raises KubeconfigError, UsageError."""
    environment = terminal.environment
    access = cluster_access(environment, kubeconfig=kubeconfig or "", context=context or "")
    return msgspec.structs.replace(access, loopback=loopback_kubelets(environment, access))


def with_api(
    terminal: Terminal,
    access: ClusterAccess,
    work: Callable[[ApiClient, Clock], Awaitable[T]],
) -> T:
    """Runs the work with an open client, in an event loop of its own.

    Where the API server does not allow something, the error leads on to the roles that the verb needs.
    """

    async def connected() -> T:
        clock = SystemClock()
        progress = Progress(terminal, clock)
        async with (
            progress.shown(),
            ApiClient(
                access,
                clock=clock,
                environ=terminal.environment,
                interactive=terminal.stderr.isatty(),
                observe=progress.request,
            ) as api,
        ):
            return await work(api, clock)

    try:
        return run_loop(connected())
    except KubevouchError as error:
        if error.lacks_rights and not error.leads_on:
            error.leads_on = tuple(filter(None, (terminal.roles,)))
        raise


def run_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, for a verb.

    The result does not go through the task. When asyncio puts the handler of SIGINT back, `signal` makes a text of the former
    one (`_int_to_enum`), of the task that it holds, and so of all evidence of all nodes: seconds, and megabytes.
    """
    results: list[T] = []

    async def kept() -> None:
        asyncio.get_running_loop().set_exception_handler(_told)
        results.append(await coroutine)

    asyncio.run(kept())
    return results[0]


def _told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody has waited for, except that somebody has ended the process: a signal may meet any task, and has its answer."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)
