"""A kubelet that is told to stop has stopped, whatever became of the cancellation of what it does."""

import asyncio
from pathlib import Path

from kubevouch_lab.apiserver.kinds import NODES
from kubevouch_lab.ending import ended
from lab.tests.kubelets.conftest import node_of
from lab.tests.plane import Plane, until
from tests.support.clocks import SteppedClock
from tests.support.unhurried import GENEROUS


class _Losing(SteppedClock):
    """The first cancellation of each task that sleeps comes out as a TimeoutError, as of a request that times out in that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[asyncio.Task[None] | None] = set()

    async def sleep(self, seconds: float) -> None:
        try:
            await super().sleep(seconds)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) in self.lost:
                raise
            self.lost.add(task)
            raise TimeoutError from None


async def test_cancellations_that_get_lost_keep_no_kubelet_from_stopping(
    cluster: Plane, tmp_path: Path
) -> None:
    clock = _Losing()
    node = node_of(cluster, tmp_path, clock=clock)
    await node.kubelet.start()
    await until(lambda: cluster.admin.list(NODES))
    await until(lambda: clock.next_waking)
    async with asyncio.timeout(GENEROUS):
        await node.kubelet.stop()
    assert clock.lost, "else nothing was tried"
    assert not node.kubelet.running


async def test_tasks_are_cancelled_until_all_have_ended() -> None:
    async def stubborn(times: int) -> None:
        for _ in range(times):
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue
        raise ValueError("of no interest")

    tasks = [asyncio.create_task(stubborn(times)) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(GENEROUS):
        await ended(tasks)
        await ended([])
    assert all(each.done() for each in tasks)
