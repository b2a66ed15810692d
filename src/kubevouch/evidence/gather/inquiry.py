"""Questions to the API server, and how their answers and failures become `Measured` facts."""

import asyncio
from collections.abc import Awaitable, Coroutine
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


class Inquiry:
    """Turns questions to one API server into Measured answers.

    What concerns one question becomes its doubt. What concerns all of them (no connection, no credential) is raised:
    there is no evidence then. A question without an answer is a doubt only once another one has had an answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered = False

    async def ask(self, question: Awaitable[T]) -> Measured[T]:
        """The answer; None as the value where the object does not exist."""
        at = self._clock.now()
        try:
            answer = await question
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
    """All at the same time, answers in order; the first error ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
