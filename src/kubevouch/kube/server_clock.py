"""The API server's clock, as its answers' Date header shows it.

The API server dates CSRs, and kubelets wait by their own watches. So only the API server's clock
shows a CSR's age: this machine's may be hours wrong.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from kubevouch.clock import Clock

_FORM: Final = "%a, %d %b %Y %H:%M:%S GMT"
_RESOLUTION: Final = timedelta(seconds=1)
_LONGEST: Final = 5.0
"""Seconds. A slower answer shows the time too vaguely."""

_ITS_OWN: Final = ("/api/v1/", "/apis/certificates.k8s.io/", "/apis/coordination.k8s.io/")
_PASSED_ON: Final = "/proxy"
_A_KUBELETS: Final = re.compile(r"/api/v1/nodes/[^/?]+/proxy/")

_YEARS: Final = range(2000, 9000)


def is_dated_by_the_server(path: str) -> bool:
    """Whether the API server itself dates the answer. A proxied answer has the Date of its origin.

    That may be a kubelet (nodes/NAME/proxy), or an aggregated API's server on any node
    (metrics.k8s.io).
    """
    return path.startswith(_ITS_OWN) and _PASSED_ON not in path


def is_a_kubelets(path: str) -> bool:
    """Whether a kubelet gave the answer (nodes/NAME/proxy): its 401 says nothing about our credential."""
    return _A_KUBELETS.match(path) is not None


@lru_cache(maxsize=4)
def _dated(date: str) -> datetime | None:
    """The parsed header, cached since hundreds of answers arrive within one second; None if it is no date."""
    try:
        return datetime.strptime(date, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Told:
    """At `heard`, by our monotonic clock, the time was between `date` and `date + within`."""

    date: datetime
    heard: float
    within: timedelta


class ServerClock:
    """A clock for decisions: this machine's, while the API server's last answer allows that.

    Otherwise it shows the nearest time that the answer allows. Before the first answer it is this
    machine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: _Told | None = None

    def answered(self, date: str, began: float) -> None:
        """Takes an answer. date: its header, "" if missing. began: when we asked, by `monotonic`."""
        heard = self.monotonic()
        if heard - began > _LONGEST:
            return
        at = _dated(date)
        if at is not None and at.year in _YEARS:
            self._told = _Told(at, heard, _RESOLUTION + timedelta(seconds=heard - began))

    def now(self) -> datetime:
        """The API server's present time; between answers it advances at our pace."""
        return self._nearest(self._clock.now())

    @property
    def own_is_ahead(self) -> timedelta:
        """The least lead of this machine's clock over the API server's; negative if it lags."""
        own = self._clock.now()
        return own - self._nearest(own)

    def _nearest(self, own: datetime) -> datetime:
        told = self._told
        if told is None:
            return own
        earliest = told.date + timedelta(seconds=self.monotonic() - told.heard)
        return min(max(own, earliest), earliest + told.within)

    def monotonic(self) -> float:
        """This machine's monotonic clock."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or at once for zero and less."""
        await self._clock.sleep(seconds)
