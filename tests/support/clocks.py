"""Clocks that stand still until a test winds them."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class _StillClock:
    """It shows what it was set to."""

    def __init__(self, at: datetime = _NOON) -> None:
        self._at = at
        self._start = at

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        return self._at

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self._at - self._start).total_seconds()


class WoundClock(_StillClock):
    """Sleeping moves it on at once: a year passes in a millisecond."""

    async def sleep(self, seconds: float) -> None:
        self.wind(timedelta(seconds=max(0.0, seconds)))

    def wind(self, by: timedelta) -> None:
        self._at += by


class SteppedClock(_StillClock):
    """Stands still until it is wound; who sleeps is woken at their moment, in order, each at its own time.

    A sleeper that wakes may read and write over sockets before it sleeps again: `wind` gives the event loop so many
    turns, and as much real time as `settle` says, before it goes on to the next one.
    """

    def __init__(self, at: datetime = _NOON, *, settle: float = 0.0) -> None:
        super().__init__(at)
        self._settle = settle
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Returns when the clock has been wound so far, or at once for zero and less."""
        if seconds <= 0:
            await asyncio.sleep(0)  # one turn of the loop takes no time
            return
        woken = asyncio.get_running_loop().create_future()
        self._slept.set()
        until = self._at + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (until, next(self._order), woken))
        await woken

    @property
    def next_waking(self) -> datetime | None:
        """When the first sleeper wants to be woken; None while nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # its task was cancelled
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    @property
    def asleep(self) -> int:
        """How many sleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def wind(self, by: timedelta) -> None:
        """Moves on by that much; everybody who sleeps less long wakes at their own moment on the way."""
        end = self._at + by
        await self._settled()
        while (following := self.next_waking) is not None and following <= end:
            self._at = max(self._at, following)
            self._wake()
            await self._settled()
        self._at = end
        await self._settled()

    async def _settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        if self._settle:
            await asyncio.sleep(self._settle)  # real sockets need real time

    async def pass_(self, seconds: float) -> None:
        """Waits until somebody sleeps, then jumps: who sleeps less long wakes late, all at that one moment."""
        while self.next_waking is None:
            self._slept.clear()
            await self._slept.wait()
        self.jump(timedelta(seconds=seconds))
        self._wake()

    def jump(self, by: timedelta) -> None:
        """Moves on at once, and wakes nobody before the clock is wound again."""
        self._at += by

    def _wake(self) -> None:
        while (due := self.next_waking) is not None and due <= self._at:
            heapq.heappop(self._sleepers)[2].set_result(None)
