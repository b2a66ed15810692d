"""Which nodes and pods there are: what the scraper dials, and what the metrics API has names and labels of.

By watch (kube/watch). Of pods only the metadata of running ones is asked for, as metrics-server's informer does
(pkg/server/config.go: field selector status.phase=Running).
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from kubevouch.metrics.points import PodKey


class FleetNode(msgspec.Struct, frozen=True):
    """A node to be scraped. address: what to dial, without port; "" if none of the preferred types is there."""

    name: str
    labels: Mapping[str, str]
    address: str
    port: int
    path: str
    ready: bool


class RunningPod(msgspec.Struct, frozen=True):
    """A running pod, as far as selectors look at it."""

    namespace: str
    name: str
    labels: Mapping[str, str]


class Fleet(Protocol):
    """What the API reads of it."""

    @property
    def nodes(self) -> Mapping[str, FleetNode]:
        """Every node, by name."""
        ...

    @property
    def pods(self) -> Mapping[PodKey, RunningPod]:
        """Every running pod, by namespace and name."""
        ...

    @property
    def synced(self) -> bool:
        """Both were listed once: metrics-server's metadata-informer-sync and metric-informer-sync."""
        ...
