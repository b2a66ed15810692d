"""The last two points of nodes and containers, and the rate between them (pkg/storage/{node,pod,types}.go).

A new point that is strictly newer than `last` becomes `last`, and the old `last` becomes `prev`. A point of the same
age, or older but newer than `prev`, replaces `last` only. A point older than `prev` stands alone. So does the point of
a container that was restarted after its last point. A fresh container (10 seconds to one resolution old) gets the zero
at its start as `prev`, so that it has a usage after one scrape.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from kubevouch.metrics.points import NodePoints, PodKey, Point

FRESH_AT_LEAST_NS: Final = 10 * 10**9
"""The rate of a younger container would be too inexact (freshContainerMinMetricsResolution)."""

_MOST: Final = 2**64 - 1
_NOTHING: Final[Mapping[str, Point]] = {}


class NodeWindow(msgspec.Struct, frozen=True):
    """The last two points of a node, and of its pods' containers. A container without `prev` is not in prev_pods."""

    last: Point | None
    prev: Point | None
    pods: Mapping[PodKey, Mapping[str, Point]]
    prev_pods: Mapping[PodKey, Mapping[str, Point]]

    @property
    def has_pods(self) -> bool:
        """Whether any container has two points."""
        return bool(self.prev_pods)


class Rate(NamedTuple):
    """CPU use between two points, and the time between them."""

    cpu_nanocores: int
    window_ns: int


def rate_between(last: Point, prev: Point) -> Rate | None:
    """The rate between two points; None if the counter or the start time went backwards."""
    if last.start_ns < prev.start_ns or last.cpu_ns < prev.cpu_ns:
        return None
    window = last.at_ns - prev.at_ns
    seconds, rest = divmod(window, 10**9)
    # In Go's steps (Duration.Seconds, then a division of float64), so that the last digit is the same.
    cores = (last.cpu_ns - prev.cpu_ns) / (seconds + rest / 1e9)
    return Rate(min(int(cores), _MOST), window)


def next_window(before: NodeWindow | None, points: NodePoints, resolution_ns: int) -> NodeWindow:
    """The window after a successful scrape. resolution_ns: the time between two scrapes."""
    old_pods: Mapping[PodKey, Mapping[str, Point]] = before.pods if before else {}
    older_pods: Mapping[PodKey, Mapping[str, Point]] = before.prev_pods if before else {}
    prev_pods: dict[PodKey, Mapping[str, Point]] = {}
    for key, containers in points.pods.items():
        old = old_pods.get(key, _NOTHING)
        if _all_continued(containers, old, resolution_ns):
            prev_pods[key] = old
            continue
        older = older_pods.get(key, _NOTHING)
        prev: dict[str, Point] = {}
        for name, point in containers.items():
            earlier = _earlier(point, old.get(name), older.get(name), resolution_ns)
            if earlier is not None:
                prev[name] = earlier
        if prev:
            prev_pods[key] = prev
    node_prev = None
    if points.node is not None and before is not None and before.last is not None:
        node_prev = _pushed(points.node, before.last, before.prev)
    return NodeWindow(points.node, node_prev, points.pods, prev_pods)


def _all_continued(
    containers: Mapping[str, Point], old: Mapping[str, Point], resolution_ns: int
) -> bool:
    """Whether every container has a newer point and was not restarted, so that the old points become `prev` as they are.

    Nearly every pod, nearly every time.
    """
    if len(containers) != len(old):
        return False
    for name, point in containers.items():
        last = old.get(name)
        if last is None or not point.start_ns < last.at_ns < point.at_ns:
            return False
        if FRESH_AT_LEAST_NS <= point.at_ns - point.start_ns < resolution_ns:
            return False
    return True


def _earlier(
    point: Point, last: Point | None, prev: Point | None, resolution_ns: int
) -> Point | None:
    """The `prev` for a container's new point."""
    if FRESH_AT_LEAST_NS <= point.at_ns - point.start_ns < resolution_ns:
        return Point(point.start_ns, 0, point.memory, point.start_ns)
    if last is None or point.start_ns >= last.at_ns:
        return None
    return _pushed(point, last, prev)


def _pushed(point: Point, last: Point, prev: Point | None) -> Point | None:
    if point.at_ns > last.at_ns:
        return last
    return prev if prev is not None and prev.at_ns < point.at_ns else None
