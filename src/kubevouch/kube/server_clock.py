"""The API server's clock, as its answers show it in their header Date.

CSRs are dated by the API server, and kubelets wait by their own watches. So how old a CSR is can only be told by the API
server's clock: this machine's may be hours wrong.
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
"""Seconds. An answer that took longer says too vaguely what time it is."""

_ITS_OWN: Final = ("/api/v1/", "/apis/certificates.k8s.io/", "/apis/coordination.k8s.io/")
_PASSED_ON: Final = "/proxy"
_A_KUBELETS: Final = re.compile(r"/api/v1/nodes/[^/?]+/proxy/")

_YEARS: Final = range(2000, 9000)


def is_dated_by_the_server(path: str) -> bool:
    """Whether the API server itself dates the answer: what it passes on has the Date of whoever made it.

    That may be a kubelet (nodes/NAME/proxy), or the server of an aggregated API on any node (metrics.k8s.io).
    """
    return path.startswith(_ITS_OWN) and _PASSED_ON not in path


def is_a_kubelets(path: str) -> bool:
    """Whether the answer is passed on as a kubelet gives it (nodes/NAME/proxy): its 401 says nothing of our credential."""
    return _A_KUBELETS.match(path) is not None


@lru_cache(maxsize=4)
def _dated(date: str) -> datetime | None:
    """Kept, as hundreds of answers come within one second; None if it is no date."""
    try:
        return datetime.strptime(date, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Told:
    """At the moment `heard`, by our monotonic clock, it was between `date` and so much later."""

    date: datetime
    heard: float
    within: timedelta


class ServerClock:
    """A clock for decisions: this machine's, as long as the last answer of the API server leaves that possible.

    Otherwise the nearest time that it does leave possible. Before the first answer it is this machine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: _Told | None = None

    def answered(self, date: str, began: float) -> None:
        """An answer has come. date: its header, "" if it has none. began: when it was asked for, by `monotonic`."""
        heard = self.monotonic()
        if heard - began > _LONGEST:
            return
        at = _dated(date)
        if at is not None and at.year in _YEARS:
            self._told = _Told(at, heard, _RESOLUTION + timedelta(seconds=heard - began))

    def now(self) -> datetime:
        """What the API server's clock shows now; it goes on at our pace between two answers."""
        return self._nearest(self._clock.now())

    @property
    def own_is_ahead(self) -> timedelta:
        """By how much this machine's clock is ahead of the API server's at least; negative where it is behind."""
        own = self._clock.now()
        return own - self._nearest(own)

    def _nearest(self, own: datetime) -> datetime:
        told = self._told
        if told is None:
            return own
        earliest = told.date + timedelta(seconds=self.monotonic() - told.heard)
        return min(max(own, earliest), earliest + told.within)

    def monotonic(self) -> float:
        """This machine's."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or at once for zero and less."""
        await self._clock.sleep(seconds)
