"""The clock for the product. `system_clock` reads the machine's."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A clock. Tests use one that can pass a year in a millisecond."""

    def now(self) -> datetime:
        """The current time as an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment, which never go backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after this many seconds; at once if they are zero or less."""
        ...
