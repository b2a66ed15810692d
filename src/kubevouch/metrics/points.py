"""Which samples of a kubelet's page count: one point for the node, one for each container.

The rules are metrics-server's (pkg/scraper/client/resource/decode.go):

- The point's time is that of the line read last; families are sorted, so it is the memory line's. A line without a
  time gets the time of the request.
- A node without CPU or memory, or with zero of either, has no point.
- If any container of a pod has no CPU or no memory, or zero of either, the whole pod has none.

Go converts what is no uint64 (NaN, negative, too large) into an undefined number; here it is no sample at all. So is
a moment outside the years 1970 to 9999, which no reader of the metrics API could be told.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kubevouch.kubelet.resource_metrics import ContainerSamples, ResourceMetrics, Sample

NEVER: Final = -62135596800 * 10**9
"""Go's zero time in nanoseconds since 1970: the start of whatever told none. A node never tells its own."""

_MOST: Final = 2**64
_LAST_MOMENT_MS: Final = 253402300799999

PodKey = tuple[str, str]
"""Namespace and name."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One measurement. Times in nanoseconds since 1970; cpu in core-nanoseconds since the start; memory in bytes."""

    at_ns: int
    cpu_ns: int
    memory: int
    start_ns: int = NEVER


class NodePoints(msgspec.Struct, frozen=True):
    """What one page came to. `node` is None where the page has no whole node metric.

    incomplete: the pods that were left out since one of their containers was not whole.
    """

    node: Point | None
    pods: Mapping[PodKey, Mapping[str, Point]]
    incomplete: tuple[PodKey, ...] = ()


def points_of(page: ResourceMetrics, requested_ms: int) -> NodePoints:
    """The points of a page that was asked for at `requested_ms` (milliseconds since 1970)."""
    pods: dict[PodKey, Mapping[str, Point]] = {}
    incomplete: list[PodKey] = []
    for pod in page.pods:
        containers: dict[str, Point] = {}
        whole = True
        for container in pod.containers:
            if _says_nothing(container):
                continue
            point = _point(container.cpu, container.memory, container.start, requested_ms)
            if point is None:
                whole = False
                break
            containers[container.name] = point
        key = (pod.namespace, pod.name)
        if not whole:
            incomplete.append(key)
        elif containers:
            pods[key] = containers
    return NodePoints(_point(page.cpu, page.memory, None, requested_ms), pods, tuple(incomplete))


def _says_nothing(container: ContainerSamples) -> bool:
    """Only families that are not looked at (swap): Go then has no entry for it."""
    return container.cpu is None and container.memory is None and container.start is None


def _point(
    cpu: Sample | None, memory: Sample | None, start: Sample | None, requested_ms: int
) -> Point | None:
    if cpu is None or memory is None:
        return None
    at_ms = requested_ms if memory.at_ms is None else memory.at_ms
    return whole_point(cpu.value, memory.value, at_ms, start.value if start else None)


def whole_point(cpu: float, memory: float, at_ms: int, start: float | None) -> Point | None:
    """The point of core-seconds, bytes, and seconds since 1970; None if one of them cannot be."""
    used = cpu * 1e9
    # NaN fails every comparison.
    if not (1 <= used < _MOST and 1 <= memory < _MOST and 0 <= at_ms <= _LAST_MOMENT_MS):
        return None
    if start is None or not 0 <= start < _LAST_MOMENT_MS / 1000:
        return Point(at_ms * 1_000_000, int(used), int(memory))
    return Point(at_ms * 1_000_000, int(used), int(memory), int(start * 1e9))
