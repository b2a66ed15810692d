"""The machine's own clock: the only file of the product that asks the system for the time."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()  # noqa: TID251 - the one place

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or at once if that is zero or less."""
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - the one place
