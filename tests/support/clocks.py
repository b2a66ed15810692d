"""A clock that stands still until a test winds it."""

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
