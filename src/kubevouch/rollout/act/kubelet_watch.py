"""Watches a kubelet on its node while a run waits for something else, or until it has stayed up long enough."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from kubevouch.node.errors import NodeError
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.kubelet_watch import watch_script

_SECONDS = 20
"""Seconds of one call. The node is asked repeatedly, so a lost call costs no more."""
_STEADY = 5
_COMES_BACK = 45
_CARRY = 90.0
"""Further seconds: a kubelet that is down at the end is watched until it is up, or was down for
too long."""
_RETRY = 5.0
_PAUSE = 1.0
"""Seconds between calls: a node that always answers at once must not keep us busy."""


@contextlib.asynccontextmanager
async def watched_kubelet(
    context: RolloutContext, host: str, first: int
) -> AsyncIterator[asyncio.Task[str]]:
    """Watches the kubelet within the block: yields a task that ends with why the kubelet does not stay up.

    first: the process that the run's restart started; 0 if unknown.
    """
    task = asyncio.get_running_loop().create_task(_trouble(context, host, first))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _trouble(context: RolloutContext, host: str, first: int) -> str:
    """Watches until there is trouble."""
    script = watch_script(_SECONDS, first=first)
    while True:
        try:
            seen = await context.transport.run_script(host, script, timeout=_SECONDS + _CARRY)
        except NodeError:
            await context.clock.sleep(_RETRY)
            continue
        if seen.answer.trouble:
            return seen.answer.trouble
        await context.clock.sleep(_PAUSE)


async def why_not_up(context: RolloutContext, host: str) -> str:
    """Why the kubelet is not up, or does not stay up, after a restart; empty if it does.

    Raises NodeError.
    """
    script = watch_script(_COMES_BACK, steady=_STEADY)
    seen = (await context.transport.run_script(host, script, timeout=_COMES_BACK + _CARRY)).answer
    if seen.ended == "time":
        return f"within {seen.seconds} s the kubelet never stayed up for {_STEADY} s"
    return seen.trouble
