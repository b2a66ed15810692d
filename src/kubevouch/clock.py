"""The clock interface. `system_clock` implements it with the machine's clock."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time. Tests use a fake clock, where a year passes in a millisecond."""

    def now(self) -> datetime:
        """The current time as an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes backwards, like time.monotonic()."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleeps for this many seconds; returns at once if `seconds` is zero or less."""
        ...
