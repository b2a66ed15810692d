"""Watches a kubelet on its node while a run waits for something else, or until it has stayed up for long enough."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from kubevouch.node.errors import NodeError
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.kubelet_watch import watch_script

_SECONDS = 20
"""One call. The node is asked again and again, so that a call which is lost costs no more."""
_STEADY = 5
_COMES_BACK = 45
_CARRY = 90.0
"""Besides: a kubelet that is down when the time is over is watched until it is up, or has been down for too long."""
_RETRY = 5.0
_PAUSE = 1.0
"""Before the node is asked again: one that answers at once, whatever it is asked, must not keep us busy."""


@contextlib.asynccontextmanager
async def watched_kubelet(
    context: RolloutContext, host: str, first: int
) -> AsyncIterator[asyncio.Task[str]]:
    """The kubelet is watched as long as the caller is inside: a task that ends with why the kubelet does not stay up.

    first: the process that the run's restart has begun; 0 if not known.
    """
    task = asyncio.get_running_loop().create_task(_trouble(context, host, first))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _trouble(context: RolloutContext, host: str, first: int) -> str:
    """Watches until there is some."""
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
    """Why the kubelet is not up and does not stay up, after a restart; empty if it is. Raises NodeError."""
    script = watch_script(_COMES_BACK, steady=_STEADY)
    seen = (await context.transport.run_script(host, script, timeout=_COMES_BACK + _CARRY)).answer
    if seen.ended == "time":
        return f"the kubelet was up for less than {_STEADY} s at a stretch within {seen.seconds} s"
    return seen.trouble
