"""Nodes that are scraped at the same moment share a timer, and each can go on its own."""

import asyncio
from datetime import timedelta

import pytest

from kubevouch.metrics.wakeups import WakeUps
from tests.support.clocks import SteppedClock
from tests.support.unhurried import GENEROUS


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


async def sleeping(wake_ups: WakeUps, *moments: float) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(wake_ups.at(moment)) for moment in moments]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_those_of_one_moment_share_a_timer(clock: SteppedClock) -> None:
    wake_ups = WakeUps(clock)
    early, also_early, late = await sleeping(wake_ups, 4.9991, 4.9999, 5.0001)
    assert clock.asleep == 2
    await clock.wind(timedelta(seconds=4.9995))
    assert not early.done()
    await clock.wind(timedelta(seconds=0.0005))
    assert (early.done(), also_early.done(), late.done()) == (True, True, False)
    await clock.wind(timedelta(seconds=0.001))
    assert late.done()


async def test_who_goes_takes_nobody_along(clock: SteppedClock) -> None:
    first, second = await sleeping(WakeUps(clock), 5.0, 5.0)
    first.cancel()
    await clock.wind(timedelta(seconds=4))
    assert not second.done()
    await clock.wind(timedelta(seconds=1))
    assert second.done()
    assert not second.cancelled()


async def test_a_moment_that_has_passed_is_now(clock: SteppedClock) -> None:
    await clock.wind(timedelta(seconds=60))
    async with asyncio.timeout(GENEROUS):
        await WakeUps(clock).at(3.0)


async def test_when_it_is_closed_no_timer_is_left(clock: SteppedClock) -> None:
    before = asyncio.all_tasks()
    wake_ups = WakeUps(clock)
    tasks = await sleeping(wake_ups, 5.0, 7.0)
    await wake_ups.close()
    async with asyncio.timeout(GENEROUS):
        await asyncio.gather(*tasks)
    assert asyncio.all_tasks() == before
