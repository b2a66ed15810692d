"""Tells when this machine's clock is not the API server's: ages are then judged by the API server's, and somebody has to know."""

from datetime import timedelta
from typing import Final

from kubevouch.kube.server_clock import ServerClock
from kubevouch.serve.logs import Log
from kubevouch.x509 import duration_text

TOLERATED: Final = timedelta(seconds=30)
"""From that on a node's clock is a finding, too (KV601)."""

_EVERY: Final = 10.0
_AGAIN: Final = 3600.0


class OwnClockWatch:
    """Compares this machine's clock with what the API server's answers say."""

    def __init__(self, clock: ServerClock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._told_at: float | None = None

    @property
    def seconds_ahead(self) -> float:
        """By how much this machine's clock is ahead at least; negative where it is behind."""
        return self._clock.own_is_ahead.total_seconds()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(_EVERY)

    def look(self) -> None:
        """Tells it at once, again each hour while it lasts, and when it is over."""
        ahead, now = self._clock.own_is_ahead, self._clock.monotonic()
        if abs(ahead) <= TOLERATED:
            if self._told_at is not None:
                self._told_at = None
                self._log.info("This machine's clock agrees with the API server's again")
            return
        if self._told_at is not None and now - self._told_at < _AGAIN:
            return
        self._told_at = now
        where = "ahead of" if ahead > timedelta() else "behind"
        self._log.error(
            f"this machine's clock is {duration_text(abs(ahead))} {where} the API server's; "
            "CSRs and certificates are judged by the API server's clock, and only this log's times are this machine's",
            "One of two clocks is wrong",
        )
