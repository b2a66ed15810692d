"""Time for the bed. It boots real programs, so it has real time only; here is the one place that asks for it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from real.errors import BedError

T = TypeVar("T")


def now() -> datetime:
    """The wall clock, UTC."""
    return datetime.now(UTC)


def epoch() -> float:
    """The wall clock in seconds since 1970."""
    return time.time()


def monotonic() -> float:
    """Seconds since some fixed moment; never goes back."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Returns after that many seconds, or at once for zero and less."""
    time.sleep(max(0.0, seconds))


def until(what: str, look: Callable[[], T | None], *, seconds: float, every: float = 0.2) -> T:
    """Looks until the answer is neither None nor False, and returns it.

    Raises:
        BedError: it did not come true in that many seconds.
    """
    end = monotonic() + seconds
    while True:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        if monotonic() > end:
            raise BedError(what, f"not seen within {seconds:.0f} s")
        sleep(every)
