"""Watches a kubelet on its node while a run waits for the gates, or after a restart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from kubevouch.node.errors import NodeError
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.kubelet_watch import watch_script

_SECONDS = 20
"""How long one call watches, in seconds. Calls are repeated, so the watch goes on after a failed call."""
_STEADY = 5
_COMES_BACK = 45
_CARRY = 90.0
"""Extra seconds for a call, in case the kubelet is down when the watch ends."""
_RETRY = 5.0
_PAUSE = 1.0
"""Seconds between calls, to avoid a busy loop if the node answers immediately."""


@contextlib.asynccontextmanager
async def watched_kubelet(
    context: RolloutContext, host: str, first: int
) -> AsyncIterator[asyncio.Task[str]]:
    """Watches the kubelet within the block. The yielded task returns the reason if the kubelet does not stay up.

    first: the kubelet's PID after the run has restarted it; 0 if unknown.
    """
    task = asyncio.get_running_loop().create_task(_trouble(context, host, first))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _trouble(context: RolloutContext, host: str, first: int) -> str:
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
    """Why the kubelet does not stay up after a restart; empty if it does. Raises NodeError."""
    script = watch_script(_COMES_BACK, steady=_STEADY)
    seen = (await context.transport.run_script(host, script, timeout=_COMES_BACK + _CARRY)).answer
    if seen.ended == "time":
        return f"within {seen.seconds} s the kubelet never stayed up for {_STEADY} s"
    return seen.trouble
