"""Reads the cluster's own names (see evidence.names) and the kubelets' CAs every minute."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.backoff import Backoff
from kubevouch.kube.io.client import ApiClient
from kubevouch.x509 import Certificate

EVERY: Final = 60.0
KEPT: Final = 300.0
"""Seconds for which the cluster's names stay in use after a complete read, if later reads fail or
are incomplete."""


@dataclass
class ClusterFacts:
    """Reads the cluster's own names, and the CAs of kubelets' certificates.

    changed: called with the cluster's names whenever they, or the reasons why some are missing,
    change. report: called with each failure to read the facts.
    """

    api: ApiClient
    clock: Clock
    rng: Callable[[], float]
    changed: Callable[[ClusterNames], None]
    report: Callable[[KubevouchError | str], None]

    roots: tuple[Certificate, ...] = ()
    """The CAs that sign kubelets' certificates; empty until they have been read once."""

    _names: ClusterNames | None = None
    _good_at: float | None = None
    _reported: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.rng)

    @property
    def known(self) -> bool:
        """Whether the cluster's names have been read."""
        return self._names is not None

    async def run(self) -> None:
        """Reads the facts every minute until cancelled."""
        while True:
            await self.clock.sleep(await self.read())

    async def read(self) -> float:
        """Reads the facts once. Returns the seconds until the next read."""
        inquiry = Inquiry(self.clock)
        try:
            names = await gather_names(self.api, inquiry)
            trust = await gather_trust(self.api, inquiry)
        except KubevouchError as error:
            self.report(error)
            return self._backoff.failed()
        doubts = [each.text for each in names.doubts]
        if trust.value is not None:
            self.roots = trust.value.certificates
        elif trust.doubt is not None:
            doubts.append(trust.doubt.text)
        self._report_new(doubts)
        self._take(names)
        if doubts:
            return self._backoff.failed()
        self._backoff.succeeded()
        return EVERY

    def _report_new(self, doubts: list[str]) -> None:
        """Reports only the failures that did not occur in the previous read."""
        for text in doubts:
            if text not in self._reported:
                self.report(text)
        self._reported = set(doubts)

    def _take(self, names: ClusterNames) -> None:
        now = self.clock.monotonic()
        if not names.doubts:
            self._good_at = now
        elif self._good_at is not None and now - self._good_at < KEPT:
            return  # the earlier, complete names are still good
        if names != self._names:
            self._names = names
            self.changed(names)
