"""The lab's time: one clock, given to every part of it.

It is the machine's own clock, moved by a fixed amount: what a lab runs on, and what a node with a wrong clock has.
"""

from datetime import datetime, timedelta

from kubevouch.clock import Clock


class OffsetClock:
    """Another clock, so much later (or earlier). It passes at the same pace."""

    def __init__(self, under: Clock, offset: timedelta = timedelta()) -> None:
        self._under = under
        self.offset = offset

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        return self._under.now() + self.offset

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back, whatever becomes of the offset."""
        return self._under.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or at once for zero and less."""
        await self._under.sleep(seconds)
