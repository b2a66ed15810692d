"""Regularly reads all certificates except those that kubelets serve and those on nodes' disks.

They are those of CAs, API servers, etcd and caBundles, of the servers behind the caBundles, and
kubelets' client certificates in CSRs.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch.evidence.certificates import NotRead
from kubevouch.evidence.gather.certificates.whole import all_found, gather_beside_kubelets
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.inventory.metrics import Series, placed, series_of
from kubevouch.inventory.rows import rows_of
from kubevouch.kube.backoff import Backoff
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, Node

EVERY: Final = 300.0
_GATHERED: Final = 10.0
"""Seconds to wait after a read. Changes in this time share the next read."""
_UNTIL_LISTED: Final = 0.5
MOST_ROWS: Final = 20_000
"""The maximum number of rows with series. Without this limit, authors of CSRs, webhooks and
APIServices could fill the memory."""

_MOST_REPORTED: Final = 50


@dataclass(eq=False)
class OtherCertificates:
    """Reads all certificates but those that kubelets serve, and keeps their Prometheus series.

    nodes: returns every Node, or None before the Nodes are listed. trust: called with the cluster's
    CAs whenever they are read. timeout: seconds for a handshake. report: called with the error if a
    read fails. unread: called with each source that could not be read, unless the previous read
    reported it with the same reason.
    """

    api: ApiClient
    nodes: Callable[[], tuple[Node, ...] | None]
    trust: Callable[[TrustedRoots], None]
    timeout: float
    backoff: Backoff
    report: Callable[[KubevouchError], None]
    unread: Callable[[NotRead], None]
    series: tuple[Series, ...] = ()
    not_read: int = 0
    """The number of sources that could not be read."""
    left_out: int = 0
    """The number of rows after the first MOST_ROWS. They have no series."""
    read_at: datetime | None = None
    _reported: frozenset[tuple[str, str]] = frozenset()
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def read_soon(self) -> None:
        """Requests a read, since an object with a caBundle has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Reads until cancelled: at once, when a read is requested, and every few minutes."""
        while True:
            self._changed.clear()
            due = self.api.server_clock.monotonic() + EVERY
            try:
                await self._read()
            except KubevouchError as error:
                self.report(error)
                await self.api.server_clock.sleep(self.backoff.failed())
                continue
            self.backoff.succeeded()
            await self.api.server_clock.sleep(_GATHERED)
            await self._next(due)

    async def _next(self, due: float) -> None:
        """Returns when a read is requested, or at `due`, by the monotonic clock."""
        clock = self.api.server_clock
        waits = (
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(clock.sleep(due - clock.monotonic())),
        )
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _read(self) -> None:
        clock = self.api.server_clock
        inquiry, at = Inquiry(clock), clock.now()
        trust = await gather_trust(self.api, inquiry)
        # If the CAs are unreadable, the last ones stay in use.
        if trust.value is not None:
            self.trust(trust.value)
        while (listed := self.nodes()) is None:
            await clock.sleep(_UNTIL_LISTED)
        nodes = Measured(Vantage.API_SERVER, at, listed)
        csrs = await inquiry.ask(self.api.list_all(CSRS))
        beside = await gather_beside_kubelets(
            self.api, inquiry, nodes, trust, clock=clock, timeout=self.timeout
        )
        found = all_found(at, nodes, trust, csrs, served=None, beside=beside)
        rows = rows_of(found)
        self.left_out = max(0, len(rows) - MOST_ROWS)
        # The first to expire comes first.
        self.series = tuple(series_of(row, place) for row, place in placed(rows[:MOST_ROWS]))
        self.read_at = at
        self._report_unread([each for each in found.not_read if not each.is_ordinary])

    def _report_unread(self, unread: Sequence[NotRead]) -> None:
        self.not_read = len(unread)
        for each in unread[:_MOST_REPORTED]:
            if (each.what, each.doubt.text) not in self._reported:
                self.unread(each)
        self._reported = frozenset((each.what, each.doubt.text) for each in unread[:_MOST_REPORTED])
