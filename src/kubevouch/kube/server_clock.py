"""The API server's clock, from the Date header of responses.

The API server sets the creation time of a CSR, so the CSR's age must be measured by the same clock.
This machine's clock may be wrong by hours.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from kubevouch.clock import Clock

_FORM: Final = "%a, %d %b %Y %H:%M:%S GMT"
_RESOLUTION: Final = timedelta(seconds=1)
_SLOWEST: Final = 5.0
"""If a response takes longer than this many seconds, its Date header is too imprecise to use."""

_OWN_PATHS: Final = (
    "/api/v1/",
    *(f"/apis/{group}.k8s.io/" for group in ("authentication", "certificates", "coordination")),
)
_PROXIED: Final = "/proxy"
_A_KUBELETS: Final = re.compile(r"/api/v1/nodes/[^/?]+/proxy/")

_YEARS: Final = range(2000, 9000)


def is_dated_by_the_server(path: str) -> bool:
    """Whether the API server itself sets the Date header of the response.

    A proxied response has the Date header of a kubelet (nodes/NAME/proxy), or of an aggregated
    API's server on any node (metrics.k8s.io).
    """
    return path.startswith(_OWN_PATHS) and _PROXIED not in path


def is_a_kubelets(path: str) -> bool:
    """Whether a kubelet sends the response (nodes/NAME/proxy).

    A 401 from a kubelet says nothing about our credential for the API server.
    """
    return _A_KUBELETS.match(path) is not None


@lru_cache(maxsize=4)
def _parsed(date: str) -> datetime | None:
    """The parsed header; None if it is not a date. Cached, since hundreds of responses can arrive within a second."""
    try:
        return datetime.strptime(date, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _LastAnswer:
    """The API server's time, according to the last response.

    When our monotonic clock was at `heard`, the server's clock was between `date` and
    `date + within`.
    """

    date: datetime
    heard: float
    within: timedelta


class ServerClock:
    """This machine's clock, corrected if it contradicts the Date header of the last response.

    The corrected time is the nearest time that the Date header allows. Before the first response,
    there is no correction.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: _LastAnswer | None = None

    def answered(self, date: str, began: float) -> None:
        """Records a response. date: its Date header, "" if missing. began: when the request started, by `monotonic`."""
        heard = self.monotonic()
        if heard - began > _SLOWEST:
            return
        at = _parsed(date)
        if at is not None and at.year in _YEARS:
            self._last = _LastAnswer(at, heard, _RESOLUTION + timedelta(seconds=heard - began))

    def now(self) -> datetime:
        """The API server's current time. Between responses it advances with our monotonic clock."""
        return self._nearest(self._clock.now())

    @property
    def own_is_ahead(self) -> timedelta:
        """How far this machine's clock is ahead of the API server's; negative if it is behind.

        The true difference may be larger, since a Date header is not exact.
        """
        own = self._clock.now()
        return own - self._nearest(own)

    def _nearest(self, own: datetime) -> datetime:
        told = self._last
        if told is None:
            return own
        earliest = told.date + timedelta(seconds=self.monotonic() - told.heard)
        return min(max(own, earliest), earliest + told.within)

    def monotonic(self) -> float:
        """This machine's monotonic clock."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps this many seconds; returns at once if the number is not positive."""
        await self._clock.sleep(seconds)
