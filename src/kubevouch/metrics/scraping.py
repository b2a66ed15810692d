"""How nodes are scraped, by metrics-server's flags and ours, and who is told what happens."""

from datetime import timedelta
from typing import Protocol

import msgspec

from kubevouch.errors import KubevouchError
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.results import ScrapeFailure, ScrapeResult


class ScrapeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes are scraped.

    resolution: seconds between two scrapes of a node. timeout: seconds for one. late_at_once: scrapes in flight of nodes
    whose last one ran out of time.

    insecure: --kubelet-insecure-tls: a kubelet that cannot be verified is asked all the same, without any credential.
    ready_min_nodes: --ready-min-nodes: the share of the ready nodes that must have been read before the server is ready.
    """

    resolution: float = 15.0
    timeout: float = 10.0
    late_at_once: int = 1000
    insecure: bool = False
    ready_min_nodes: float = 0.0

    @property
    def interval(self) -> timedelta:
        """The resolution."""
        return timedelta(seconds=self.resolution)


class ScrapeObserver(Protocol):
    """Called for what happens while scraping, to write log lines and the server's own metrics.

    What it raises is dropped: it cannot end a scrape.
    """

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """A scrape ended; failure is None if it succeeded."""
        ...

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """A node reported pods that run on another node: what it reports of them is not served."""
        ...

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """A page lacks CPU or memory of the node itself, or of some pods."""
        ...

    def changed(self, node: FleetNode, before: ScrapeResult | None, now: ScrapeResult) -> None:
        """A node's scrapes fail, succeed, or find it verified or not, other than before (ScrapeResult.differs)."""
        ...

    def restarted(self, node: FleetNode, error: BaseException | None) -> None:
        """The task of a node died and was started again. error: None if somebody cancelled it."""
        ...

    def selects_nothing(self, node_selector: str) -> None:
        """The nodes were listed for the first time, and none has the labels that --node-selector asks for."""
        ...

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """The watch of "nodes" or "pods" failed, and will be tried again."""
        ...
