"""What may be served: the usage of nodes and pods, and why a node has none. Written by the scraper, read by the API.

Everything handed out is frozen and of one moment. A node's scrape replaces the rows of that node and of its pods; a
failed one removes them (as in metrics-server, pkg/storage): two good scrapes bring them back.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from kubevouch.metrics.points import NodePoints, PodKey
from kubevouch.metrics.windows import NodeWindow, next_window, rate_between

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NodeUsage(msgspec.Struct, frozen=True, gc=False):
    """What a node uses. cpu: nanocores over the window. memory: bytes of its working set at the end of the window.

    timestamp_ns: when the window ended, in nanoseconds since 1970. window_ns: its length.
    """

    timestamp_ns: int
    window_ns: int
    cpu_nanocores: int
    memory_bytes: int

    @property
    def timestamp(self) -> datetime:
        """When the window ended, in UTC, cut to microseconds."""
        return _moment(self.timestamp_ns)


class ContainerUsage(msgspec.Struct, frozen=True, gc=False):
    """What a container uses, over the window of its pod or one like it."""

    name: str
    cpu_nanocores: int
    memory_bytes: int


class PodUsage(msgspec.Struct, frozen=True):
    """What the containers of a pod use, in the order of their names. Times are those of its earliest container.

    A container whose counter went backwards is left out; `timestamp_ns` is None if none is left.
    """

    namespace: str
    name: str
    timestamp_ns: int | None
    window_ns: int
    containers: tuple[ContainerUsage, ...]

    @property
    def timestamp(self) -> datetime | None:
        """When the window ended, in UTC, cut to microseconds."""
        return None if self.timestamp_ns is None else _moment(self.timestamp_ns)


class ScrapeFailure(msgspec.Struct, frozen=True):
    """Why the last scrape of a node failed.

    reason: a word for metrics and JSON, of `kubelet.fetch.Problem`, or "no-address", "incomplete". text: as
    metrics-server's log has it after err=, one printable line. timed_out: metrics-server logs such a one in other
    words. since: the first of the failures without a success between.
    """

    node: str
    reason: str
    text: str
    at: datetime
    since: datetime
    timed_out: bool = False


def _not_known(_pod: PodKey) -> str:
    return ""


class MetricsStore:
    """All nodes' last two points. The only writer is the scraper."""

    def __init__(self, resolution: timedelta) -> None:
        self._resolution_ns = resolution // timedelta(microseconds=1) * 1000
        self._pairs: dict[str, NodeWindow] = {}
        self._owners: dict[PodKey, str] = {}
        self._failures: dict[str, ScrapeFailure] = {}

    # ---- read by the API

    def node(self, name: str) -> NodeUsage | None:
        """A node's usage; None before its second good scrape, and after one that failed."""
        pair = self._pairs.get(name)
        if pair is None or pair.last is None or pair.prev is None:
            return None
        usage = rate_between(pair.last, pair.prev)
        if usage is None:
            return None
        return NodeUsage(pair.last.at_ns, usage.window_ns, usage.cpu_nanocores, pair.last.memory)

    def pod(self, namespace: str, name: str) -> PodUsage | None:
        """A pod's usage; None unless every container of its last scrape has two points."""
        key = (namespace, name)
        owner = self._owners.get(key)
        return None if owner is None else _pod_usage(key, self._pairs[owner])

    def nodes(self) -> Mapping[str, NodeUsage]:
        """Every node that has a usage."""
        found = ((name, self.node(name)) for name in self._pairs)
        return {name: usage for name, usage in found if usage is not None}

    def pods(self) -> Mapping[PodKey, PodUsage]:
        """Every pod that has a usage, by namespace and name."""
        found = ((key, _pod_usage(key, self._pairs[owner])) for key, owner in self._owners.items())
        return {key: usage for key, usage in found if usage is not None}

    def failure(self, name: str) -> ScrapeFailure | None:
        """Why a node's last scrape failed; None if it did not, or none has ended yet."""
        return self._failures.get(name)

    def failures(self) -> Mapping[str, ScrapeFailure]:
        """Every node whose last scrape failed."""
        return dict(self._failures)

    def absence(self, name: str) -> str:
        """Why a node has no row, for a person; "" if it has one."""
        if self.node(name) is not None:
            return ""
        if failure := self._failures.get(name):
            return failure.text
        pair = self._pairs.get(name)
        if pair is None:
            return "not scraped yet"
        if pair.last is None:
            return "its kubelet tells no CPU and memory of the node"
        if pair.prev is not None:
            return "unexpected decrease in cumulative CPU usage value"
        return "scraped once so far; usage needs two different samples"

    @property
    def node_ready(self) -> bool:
        """Some node has two points: half of what metrics-server's metric-storage-ready asks for (0.9)."""
        return any(pair.prev is not None for pair in self._pairs.values())

    @property
    def pod_ready(self) -> bool:
        """Some container has two points: the other half."""
        return any(pair.has_pods for pair in self._pairs.values())

    @property
    def node_points(self) -> int:
        """How many nodes have two points: metrics_server_storage_points{type="node"}."""
        return sum(pair.prev is not None for pair in self._pairs.values())

    @property
    def container_points(self) -> int:
        """How many containers have two points: metrics_server_storage_points{type="container"}."""
        return sum(len(prev) for pair in self._pairs.values() for prev in pair.prev_pods.values())

    # ---- written by the scraper

    def record(
        self, name: str, points: NodePoints, node_of: Callable[[PodKey], str] = _not_known
    ) -> tuple[PodKey, ...]:
        """A node's scrape was good. Returns the pods that are another node's: what is told of those is no sample.

        node_of: where a pod runs, "" if that is not known (yet): then it is whose node told of it first.
        """
        old = self._pairs.get(name)
        foreign = tuple(
            key
            for key in points.pods
            if node_of(key) not in ("", name) or self._owners.get(key, name) != name
        )
        if foreign:
            own = {key: value for key, value in points.pods.items() if key not in foreign}
            points = NodePoints(points.node, own, points.incomplete)
        new = next_window(old, points, self._resolution_ns)
        self._own(name, old, new)
        self._pairs[name] = new
        self._failures.pop(name, None)
        return foreign

    def record_failure(self, name: str, failure: ScrapeFailure) -> None:
        """A node's scrape failed: its rows go, its reason stays."""
        self._drop_rows(name)
        before = self._failures.get(name)
        since = failure.since if before is None else before.since
        self._failures[name] = msgspec.structs.replace(failure, since=since)

    def remove_node(self, name: str) -> None:
        """The node is gone from the cluster."""
        self._drop_rows(name)
        self._failures.pop(name, None)

    def _drop_rows(self, name: str) -> None:
        old = self._pairs.pop(name, None)
        for key in old.pods if old else ():
            self._owners.pop(key, None)

    def _own(self, name: str, old: NodeWindow | None, new: NodeWindow) -> None:
        if old is not None:
            if old.pods.keys() == new.pods.keys():
                return
            for key in old.pods.keys() - new.pods.keys():
                del self._owners[key]
        for key in new.pods:
            self._owners[key] = name


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _pod_usage(key: PodKey, pair: NodeWindow) -> PodUsage | None:
    last, prev = pair.pods[key], pair.prev_pods.get(key)
    if prev is None or len(prev) < len(last):
        return None
    used: list[ContainerUsage] = []
    at_ns: int | None = None
    window_ns = 0
    for container in sorted(last):
        now = last[container]
        usage = rate_between(now, prev[container])
        if usage is None:
            continue
        used.append(ContainerUsage(container, usage.cpu_nanocores, now.memory))
        if at_ns is None or at_ns > now.at_ns:
            at_ns, window_ns = now.at_ns, usage.window_ns
    return PodUsage(key[0], key[1], at_ns, window_ns, tuple(used))
