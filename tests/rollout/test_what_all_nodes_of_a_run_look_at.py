"""CSRs and Nodes are read once for all nodes of a run, however many wait at the same time."""

import asyncio

from kubevouch.kube.resources import CSRS
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.live_cluster import SharedRead
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock

from .acting import Acting


def lists(here: Acting) -> int:
    return sum(each.path == CSRS.path() for each in here.stage.server.requests)


async def test_csrs_are_listed_once_a_second_for_all_nodes_that_wait(dark: Acting) -> None:
    """Each node listed them all once a second: 16 nodes made 240 lists in 15 s."""
    checked = await check(await dark.plan(), dark.context)
    before, began = lists(dark), dark.context.clock.monotonic()
    result = await apply(checked, dark.context, RolloutTimeouts(30, soak=0))
    assert {each.state for each in result.nodes} == {NodeState.DONE}
    assert lists(dark) - before <= dark.context.clock.monotonic() - began + 2


async def test_a_read_is_shared_by_who_asked_before_it_began() -> None:
    reads = 0
    go_on = asyncio.Event()

    async def read() -> int:
        nonlocal reads
        reads += 1
        mine = reads
        await go_on.wait()
        return mine

    shared = SharedRead(read, SystemClock())
    first = asyncio.create_task(shared.value())
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(shared.value()) for _ in range(20)]
    await asyncio.sleep(0.01)
    go_on.set()
    assert await first == 1
    assert {await each for each in others} == {2}, "what was read before they asked is no answer"
