"""The usage of nodes and pods. The scraper writes it, and the metrics API reads it.

A successful scrape replaces the usage of the node and its pods. After a failed scrape, the last
usage is still served, with its old timestamp, until STALE_AFTER times --metric-resolution plus one
scrape's time-out have passed since the last successful scrape. (metrics-server's pkg/storage drops
it at once.) After that, usage returns with the second successful scrape.

When a pod's usage is read, the API server's data decides which node runs the pod. Another node's
report of that pod is never served.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import msgspec

from kubevouch.clock import Clock
from kubevouch.metrics.columns import ABSENT, PodKey
from kubevouch.metrics.pages import Page
from kubevouch.metrics.windows import NodeWindow, nanocores, next_window, rate_between

STALE_AFTER: Final = 3
"""A node's usage is dropped if no scrape succeeds for this many times --metric-resolution, plus one
scrape's time-out."""


class NodeUsage(msgspec.Struct, frozen=True, gc=False):
    """The usage of a node. memory_bytes: the working set at the end of the window.

    timestamp_ns: the end of the window, in nanoseconds since 1970. window_ns: the length of the
    window. cpu_nanocores: the average over the window.
    """

    timestamp_ns: int
    window_ns: int
    cpu_nanocores: int
    memory_bytes: int


class ContainerUsage(msgspec.Struct, frozen=True, gc=False):
    """The usage of a container, over its own window. Units are those of NodeUsage."""

    name: str
    cpu_nanocores: int
    memory_bytes: int


class PodUsage(msgspec.Struct, frozen=True):
    """The usage of a pod's containers, sorted by name.

    Timestamp and window are those of the container with the earliest timestamp.
    A container whose CPU counter went backwards is omitted. `timestamp_ns` is None if all are
    omitted.
    """

    namespace: str
    name: str
    timestamp_ns: int | None
    window_ns: int
    containers: tuple[ContainerUsage, ...]


class MetricsStore:
    """The last two measurements of all nodes and containers. Only the scraper changes them.

    resolution: the time between two scrapes of a node. timeout: seconds that a scrape may take.
    node_of: returns the name of a pod's node, from the API server; "" if the pod is unknown (yet).
    """

    def __init__(
        self,
        resolution: timedelta,
        *,
        clock: Clock,
        node_of: Callable[[PodKey], str],
        timeout: float = 0.0,
    ) -> None:
        self._resolution_ns = resolution // timedelta(microseconds=1) * 1000
        # The last of these scrapes begins after STALE_AFTER resolutions, and may take `timeout`.
        self._stale_after = STALE_AFTER * resolution.total_seconds() + timeout
        self._clock = clock
        self._node_of = node_of
        self._windows: dict[str, NodeWindow] = {}
        self._scraped_at: dict[str, float] = {}

    # ---- read by the API

    def node(self, name: str) -> NodeUsage | None:
        """The usage of a node; None before its second successful scrape, or if the last one is too old."""
        window = self._window(name)
        if window is None or window.last is None or window.prev is None:
            return None
        usage = rate_between(window.last, window.prev)
        if usage is None:
            return None
        cpu_nanocores, window_ns = usage
        return NodeUsage(window.last.at_ns, window_ns, cpu_nanocores, window.last.memory)

    def pod(self, namespace: str, name: str) -> PodUsage | None:
        """The usage of a pod, reported by its own node.

        None unless each of its containers in the node's last scrape has two measurements.
        """
        key = (namespace, name)
        window = self._window(self._node_of(key))
        return None if window is None else _pod_usage(key, window)

    @property
    def node_points(self) -> int:
        """How many nodes have two measurements. metric-storage-ready fails if none has, as in metrics-server 0.9."""
        return sum(window.prev is not None for window in self._fresh())

    @property
    def container_points(self) -> int:
        """How many containers have two measurements. metric-storage-ready fails if none has."""
        return sum(window.prev_containers.present for window in self._fresh())

    # ---- written by the scraper

    def record(self, name: str, page: Page) -> tuple[PodKey, ...]:
        """Records a successful scrape.

        Returns the reported pods that run on another node; () if the page has the `Layout` object
        of the node's window, as from `quick_page`.

        Such pods are recorded, too: a pod may have just moved, and the watch may report that a
        moment later.
        """
        before = self._window(name)
        window = self._windows[name] = next_window(before, page, self._resolution_ns)
        self._scraped_at[name] = self._clock.monotonic()
        layout = window.containers.layout
        if before is not None and before.containers.layout is layout:
            return ()
        return tuple(key for key in layout.pods if self._node_of(key) not in ("", name))

    def record_failure(self, name: str) -> None:
        """Records a failed scrape: keeps the node's usage unless it is too old."""
        if name in self._windows and self._is_stale(name):
            self._drop_rows(name)

    def remove_node(self, name: str) -> None:
        """Removes all data of a node that has left the cluster."""
        self._drop_rows(name)

    def _drop_rows(self, name: str) -> None:
        self._windows.pop(name, None)
        self._scraped_at.pop(name, None)

    def _window(self, name: str) -> NodeWindow | None:
        """The window of a node; None if it has no window or a stale one."""
        # Called for every pod of a list.
        scraped_at = self._scraped_at.get(name)
        if scraped_at is None or self._clock.monotonic() - scraped_at > self._stale_after:
            return None
        return self._windows[name]

    def _fresh(self) -> Iterator[NodeWindow]:
        return (window for name, window in self._windows.items() if not self._is_stale(name))

    def _is_stale(self, name: str) -> bool:
        return self._clock.monotonic() - self._scraped_at[name] > self._stale_after


def _pod_usage(key: PodKey, window: NodeWindow) -> PodUsage | None:
    now, prev = window.containers, window.prev_containers
    rows = now.layout.pods.get(key)
    if rows is None:
        return None
    # A list has 100,000 pods: look up everything once, and build no point.
    names, at, earlier = now.layout.names, now.at_ns, prev.at_ns
    cpu, before, start, started = now.cpu, prev.cpu, now.start_ns, prev.start_ns
    used: list[ContainerUsage] = []
    oldest_ns: int | None = None
    window_ns = 0
    for row in rows:
        at_ns = at[row]
        if at_ns == ABSENT or earlier[row] == ABSENT:
            return None
        used_ns = int(cpu[row] * 1e9) - int(before[row] * 1e9)
        if used_ns < 0 or (start is not started and start[row] < started[row]):
            continue
        length_ns = at_ns - earlier[row]
        rate = nanocores(used_ns, length_ns)
        used.append(ContainerUsage(names[row], rate, int(now.memory[row])))
        if oldest_ns is None or oldest_ns > at_ns:
            oldest_ns, window_ns = at_ns, length_ns
    return PodUsage(key[0], key[1], oldest_ns, window_ns, tuple(used))
