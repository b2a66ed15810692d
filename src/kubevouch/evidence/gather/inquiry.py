"""Reads facts from the API server; a failure becomes a doubt."""

from collections.abc import Awaitable
from typing import TypeVar

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
    """Turns calls to one API server into Measured facts.

    An error of a single call becomes a doubt. An error that concerns all calls (no connection, no credential) is
    raised, since there is no evidence then. A time-out is a doubt only if another call has been answered.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered = False

    async def ask(self, question: Awaitable[T]) -> Measured[T]:
        """The fact; its value is None if the object does not exist."""
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
