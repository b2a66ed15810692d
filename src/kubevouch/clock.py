"""Time, passed in. `system_clock` is the one that reads the machine's own."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What the product knows of time. A test's clock passes a year in a millisecond."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or at once for zero and less."""
        ...
