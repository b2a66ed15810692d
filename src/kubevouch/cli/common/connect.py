"""Connects to the cluster that --kubeconfig and --context name, in the same way for every verb."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from kubevouch.cli.common.event_loop import run_loop
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
