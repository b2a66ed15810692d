"""A clock that stands still until a test winds it."""

import asyncio
from datetime import UTC, datetime, timedelta


class WoundClock:
    """Sleeping moves it on at once: a year passes in a millisecond."""

    def __init__(self, at: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        self._at = at
        self._start = at

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return (self._at - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.wind(timedelta(seconds=max(0.0, seconds)))

    def wind(self, by: timedelta) -> None:
        self._at += by


class SteppedClock(WoundClock):
    """Sleepers wait until the test says `pass_`: for what runs beside the test for ever."""

    def __init__(self, at: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        super().__init__(at)
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        woken = asyncio.Event()
        self._sleepers.append((self.monotonic() + seconds, woken))
        self._slept.set()
        await woken.wait()

    async def pass_(self, seconds: float) -> None:
        """Waits until somebody sleeps, then passes the time and wakes whose time has come."""
        while not self._sleepers:
            self._slept.clear()
            await self._slept.wait()
        self.wind(timedelta(seconds=seconds))
        due = [each for each in self._sleepers if each[0] <= self.monotonic()]
        self._sleepers = [each for each in self._sleepers if each not in due]
        for _, woken in due:
            woken.set()
