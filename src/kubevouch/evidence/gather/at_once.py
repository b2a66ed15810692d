"""Several questions at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

V = TypeVar("V")
A = TypeVar("A")


async def together(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Runs all calls at the same time and returns their results in order. The first error cancels the other calls."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def of_each(
    values: Iterable[V], ask: Callable[[V], Coroutine[Any, Any, A]], *, at_once: int
) -> list[A]:
    """Asks of each value, of no more than so many at the same time. Answers and errors as of `together`."""
    places = asyncio.Semaphore(at_once)

    async def asked(value: V) -> A:
        async with places:
            return await ask(value)

    return await together(*map(asked, values))
