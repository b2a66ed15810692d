"""A shared time limit does what asyncio.timeout does."""

import asyncio

import pytest

from kubevouch.kubelet.io.time_limits import TimeLimits


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_what_takes_too_long_is_ended_a_little_late_at_most() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError) as seen, TimeLimits().within(0.2):
        await for_ever()
    assert loop.time() - began >= 0.2
    assert isinstance(seen.value.__cause__, asyncio.CancelledError)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_what_ends_in_time_is_left_alone() -> None:
    limits = TimeLimits()
    with limits.within(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    with pytest.raises(KeyError), limits.within(0.05):
        raise KeyError


async def test_each_has_its_own_end() -> None:
    limits, ended = TimeLimits(), []

    async def work(seconds: float) -> None:
        try:
            with limits.within(seconds):
                await for_ever()
        except TimeoutError:
            ended.append(seconds)

    async with asyncio.timeout(30):
        await asyncio.gather(work(0.5), work(0.02), work(0.02))
    assert ended == [0.02, 0.02, 0.5]


async def test_who_is_cancelled_is_not_late() -> None:
    async def work() -> None:
        with TimeLimits().within(30):
            await for_ever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_as_the_time_runs_out_is_cancelled() -> None:
    async def work() -> None:
        with TimeLimits().within(0.0) as limit:
            task.cancel()
            limit.run_out()
            await for_ever()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_limit_within_a_limit_ends_the_inner_work_only() -> None:
    limits = TimeLimits()
    with limits.within(30):
        with pytest.raises(TimeoutError), limits.within(0.02):
            await for_ever()
        await asyncio.sleep(0)
