"""The usage of nodes and pods, and why a node has none. The scraper writes it, the metrics API reads it.

Everything returned is frozen and of one moment. A successful scrape replaces the rows of the node and of its pods. A
failed one removes them, as in metrics-server (pkg/storage); two successful scrapes bring them back.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from kubevouch.metrics.points import NodePoints, PodKey
from kubevouch.metrics.windows import NodeWindow, next_window, rate_between

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NodeUsage(msgspec.Struct, frozen=True, gc=False):
    """The usage of a node. cpu: nanocores over the window. memory: bytes of the working set at the end of the window.

    timestamp_ns: when the window ended, in nanoseconds since 1970. window_ns: its length.
    """

    timestamp_ns: int
    window_ns: int
    cpu_nanocores: int
    memory_bytes: int

    @property
    def timestamp(self) -> datetime:
        """When the window ended, in UTC, truncated to microseconds."""
        return _moment(self.timestamp_ns)


class ContainerUsage(msgspec.Struct, frozen=True, gc=False):
    """The usage of a container, over its own window. Units as in NodeUsage."""

    name: str
    cpu_nanocores: int
    memory_bytes: int


class PodUsage(msgspec.Struct, frozen=True):
    """The usage of a pod's containers, in the order of their names. The times are those of its earliest container.

    A container whose counter went backwards is left out; `timestamp_ns` is None if none is left.
    """

    namespace: str
    name: str
    timestamp_ns: int | None
    window_ns: int
    containers: tuple[ContainerUsage, ...]

    @property
    def timestamp(self) -> datetime | None:
        """When the window ended, in UTC, truncated to microseconds; None if no container is left."""
        return None if self.timestamp_ns is None else _moment(self.timestamp_ns)


class ScrapeFailure(msgspec.Struct, frozen=True):
    """Why the last scrape of a node failed.

    reason: a word for metrics and JSON: a reason of FetchFailed (kubelet.io.fetch), "unreadable", "credential" or
    "internal". text: one printable line, as metrics-server logs it after err=. timed_out: metrics-server words these
    differently. since: the time of the first failure in a row.
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
    """The last two points of all nodes. Only the scraper writes it."""

    def __init__(self, resolution: timedelta) -> None:
        self._resolution_ns = resolution // timedelta(microseconds=1) * 1000
        self._pairs: dict[str, NodeWindow] = {}
        self._owners: dict[PodKey, str] = {}
        self._failures: dict[str, ScrapeFailure] = {}

    # ---- read by the API

    def node(self, name: str) -> NodeUsage | None:
        """The usage of a node; None before its second successful scrape and after a failed one."""
        pair = self._pairs.get(name)
        if pair is None or pair.last is None or pair.prev is None:
            return None
        usage = rate_between(pair.last, pair.prev)
        if usage is None:
            return None
        return NodeUsage(pair.last.at_ns, usage.window_ns, usage.cpu_nanocores, pair.last.memory)

    def pod(self, namespace: str, name: str) -> PodUsage | None:
        """The usage of a pod; None unless every container of the last scrape has two points."""
        key = (namespace, name)
        owner = self._owners.get(key)
        return None if owner is None else _pod_usage(key, self._pairs[owner])

    def nodes(self) -> Mapping[str, NodeUsage]:
        """The usage of every node that has one, by name."""
        found = ((name, self.node(name)) for name in self._pairs)
        return {name: usage for name, usage in found if usage is not None}

    def pods(self) -> Mapping[PodKey, PodUsage]:
        """The usage of every pod that has one, by namespace and name."""
        found = ((key, _pod_usage(key, self._pairs[owner])) for key, owner in self._owners.items())
        return {key: usage for key, usage in found if usage is not None}

    def failure(self, name: str) -> ScrapeFailure | None:
        """Why the last scrape of a node failed; None if it succeeded or has not ended yet."""
        return self._failures.get(name)

    def failures(self) -> Mapping[str, ScrapeFailure]:
        """The failures of all nodes whose last scrape failed, by name."""
        return dict(self._failures)

    def absence(self, name: str) -> str:
        """Why a node has no usage, in words for a person; "" if it has one."""
        if self.node(name) is not None:
            return ""
        if failure := self._failures.get(name):
            return failure.text
        pair = self._pairs.get(name)
        if pair is None:
            return "not scraped yet"
        if pair.last is None:
            return "its kubelet reports no CPU or memory of the node"
        if pair.prev is not None:
            return "unexpected decrease in cumulative CPU usage value"
        return "scraped once so far; usage needs two different samples"

    @property
    def node_ready(self) -> bool:
        """Whether any node has two points: half of metrics-server's check metric-storage-ready (0.9)."""
        return any(pair.prev is not None for pair in self._pairs.values())

    @property
    def pod_ready(self) -> bool:
        """Whether any container has two points: the other half of metric-storage-ready."""
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
        """Records a successful scrape. Returns the pods that belong to another node, whose samples were dropped.

        node_of: the name of a pod's node, "" if it is not known (yet); then the first node that reports the pod has it.
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
        """Records a failed scrape: removes the node's rows and keeps the reason."""
        self._drop_rows(name)
        before = self._failures.get(name)
        since = failure.since if before is None else before.since
        self._failures[name] = msgspec.structs.replace(failure, since=since)

    def remove_node(self, name: str) -> None:
        """Removes everything about a node that is gone from the cluster."""
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
