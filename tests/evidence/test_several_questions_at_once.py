"""Questions that are asked at the same time: how many, in which order they are answered, and what an error does to the others."""

import asyncio

import pytest

from kubevouch.evidence.gather.inquiry import of_each


async def test_no_more_are_asked_at_once_than_was_said_and_answers_keep_their_order() -> None:
    asked = most = 0

    async def ask(value: int) -> int:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        for _ in range(10 - value):  # the first ones answer last
            await asyncio.sleep(0)
        asked -= 1
        return value * value

    assert await of_each(range(10), ask, at_once=3) == [value * value for value in range(10)]
    assert most == 3


async def test_the_first_error_is_raised_as_it_is_and_ends_the_others() -> None:
    ended: list[int] = []

    async def ask(value: int) -> None:
        try:
            if value == 2:
                raise LookupError(str(value))
            await asyncio.Event().wait()
        finally:
            ended.append(value)

    with pytest.raises(LookupError, match="2"):
        await of_each(range(9), ask, at_once=4)
    # Whoever was to have the place of the one that failed may have begun; the others that waited were never asked.
    assert {0, 1, 2, 3} <= {*ended} <= {0, 1, 2, 3, 4}
