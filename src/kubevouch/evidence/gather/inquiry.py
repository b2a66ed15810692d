"""Calls the API server concurrently. The result of a failed call is a Doubt."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from kubevouch.clock import Clock
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.kube.errors import (
    ApiUnreachable,
    BadResponse,
    Forbidden,
    NotFound,
    ResponseTooLarge,
    StatusError,
    Unauthorized,
)

T = TypeVar("T")
V = TypeVar("V")


class Inquiry:
    """Turns calls to one API server into Measured facts.

    An error that affects one call becomes a Doubt. An error that affects all calls is raised, such
    as a rejected credential. A failed connection or a timeout becomes a Doubt only if some call has
    already got a response.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered = False

    async def ask(self, call: Awaitable[T]) -> Measured[T]:
        """Awaits the call and returns its result. The value is None if the object does not exist."""
        at = self._clock.now()
        try:
            answer = await call
        except NotFound:
            self._answered = True
            return Measured(Vantage.API_SERVER, at)
        except Unauthorized:
            raise
        except Forbidden as error:
            self._answered = True
            lacking = (f"{error.verb} {error.resource}",)
            doubt = Doubt(DoubtKind.NOT_ALLOWED, str(error), lacking)
        except (StatusError, BadResponse, ResponseTooLarge) as error:
            self._answered = True
            doubt = Doubt(DoubtKind.FAILED, str(error))
        except ApiUnreachable as error:
            if not self._answered:
                raise
            doubt = Doubt(DoubtKind.FAILED, str(error))
        else:
            self._answered = True
            return Measured(Vantage.API_SERVER, at, answer)
        return Measured(Vantage.API_SERVER, at, doubt=doubt)


async def together(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Runs all calls concurrently and returns their results in order.

    Raises the first error, after cancelling the other calls.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def of_each(
    values: Iterable[V], ask: Callable[[V], Coroutine[Any, Any, T]], *, at_once: int
) -> list[T]:
    """Runs `ask` for each value, at most `at_once` concurrently.

    Returns and raises like `together`.
    """
    places = asyncio.Semaphore(at_once)

    async def asked(value: V) -> T:
        async with places:
            return await ask(value)

    return await together(*map(asked, values))
