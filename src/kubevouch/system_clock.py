"""The machine's clock. No other file of the product reads the system's time."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time as an aware datetime in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        """Seconds on a clock that never goes backwards."""
        return time.monotonic()  # noqa: TID251 - the one place

    async def sleep(self, seconds: float) -> None:
        """Sleeps for this many seconds; returns at once if `seconds` is zero or less."""
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - the one place
