"""Watches a kubelet on its node while a run waits for something else, or until it has stayed up for long enough."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

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


@dataclass
class KubeletWatch:
    """trouble: why the kubelet does not stay up; empty as long as nothing of the kind was seen. seen: that it is not."""

    trouble: str = ""
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, context: RolloutContext, host: str, first: int) -> None:
        """Watches until there is trouble. first: the process that the run's restart has begun; 0 if not known."""
        while not self.trouble:
            script = watch_script(_SECONDS, first=first)
            try:
                seen = (
                    await context.transport.run_script(host, script, timeout=_SECONDS + _CARRY)
                ).answer
            except NodeError:
                await context.clock.sleep(_RETRY)
                continue
            self.trouble = seen.trouble
            if not self.trouble:
                await context.clock.sleep(_PAUSE)
        self.seen.set()


@contextlib.asynccontextmanager
async def watched_kubelet(
    context: RolloutContext, host: str, first: int
) -> AsyncIterator[KubeletWatch]:
    """The kubelet is watched as long as the caller is inside."""
    watch = KubeletWatch()
    task = asyncio.get_running_loop().create_task(watch.follow(context, host, first))
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def why_not_up(context: RolloutContext, host: str) -> str:
    """Why the kubelet is not up and does not stay up, after a restart; empty if it is. Raises NodeError."""
    script = watch_script(_COMES_BACK, steady=_STEADY)
    seen = (await context.transport.run_script(host, script, timeout=_COMES_BACK + _CARRY)).answer
    if seen.ended == "time":
        return f"the kubelet was up for less than {_STEADY} s at a stretch within {seen.seconds} s"
    return seen.trouble
