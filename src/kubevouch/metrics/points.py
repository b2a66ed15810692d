"""Which samples of a kubelet's page count: one point for the node and one for each container.

The rules are metrics-server's (pkg/scraper/client/resource/decode.go):

- The point's time is that of the line read last; families are sorted, so it is the memory line's. A line without a
  time gets the time of the request.
- A node without CPU or memory, or with zero of either, has no point.
- If any container of a pod has no CPU or no memory, or zero of either, the whole pod has none.

Go converts a number that does not fit uint64 (NaN, negative, too large) into an undefined number; here it is not a
sample. Neither is a time outside the years 1970 to 9999, which the metrics API cannot express.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kubevouch.kubelet.resource_metrics import ContainerSamples, ResourceMetrics, Sample

NEVER: Final = -62135596800 * 10**9
"""Go's zero time in nanoseconds since 1970: the start time if the page has none. Nodes never have one."""

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
    """The points of one page. `node` is None if the page lacks the node's CPU or memory.

    incomplete: pods that were left out because a container lacks CPU or memory.
    """

    node: Point | None
    pods: Mapping[PodKey, Mapping[str, Point]]
    incomplete: tuple[PodKey, ...] = ()


def points_of(page: ResourceMetrics, requested_ms: int) -> NodePoints:
    """The points of a page that was requested at `requested_ms` (milliseconds since 1970)."""
    pods: dict[PodKey, Mapping[str, Point]] = {}
    incomplete: list[PodKey] = []
    for pod in page.pods:
        containers: dict[str, Point] = {}
        complete = True
        for container in pod.containers:
            if _has_no_sample(container):
                continue
            point = _point(container.cpu, container.memory, container.start, requested_ms)
            if point is None:
                complete = False
                break
            containers[container.name] = point
        key = (pod.namespace, pod.name)
        if not complete:
            incomplete.append(key)
        elif containers:
            pods[key] = containers
    return NodePoints(_point(page.cpu, page.memory, None, requested_ms), pods, tuple(incomplete))


def _has_no_sample(container: ContainerSamples) -> bool:
    """Whether the container has no sample that counts (only swap, say): Go then has no entry for it."""
    return container.cpu is None and container.memory is None and container.start is None


def _point(
    cpu: Sample | None, memory: Sample | None, start: Sample | None, requested_ms: int
) -> Point | None:
    if cpu is None or memory is None:
        return None
    at_ms = requested_ms if memory.at_ms is None else memory.at_ms
    return whole_point(cpu.value, memory.value, at_ms, start.value if start else None)


def whole_point(cpu: float, memory: float, at_ms: int, start: float | None) -> Point | None:
    """A point. cpu: core-seconds. memory: bytes. start: seconds since 1970. None if a number is out of range."""
    used = cpu * 1e9
    # NaN fails every comparison.
    if not (1 <= used < _MOST and 1 <= memory < _MOST and 0 <= at_ms <= _LAST_MOMENT_MS):
        return None
    if start is None or not 0 <= start < _LAST_MOMENT_MS / 1000:
        return Point(at_ms * 1_000_000, int(used), int(memory))
    return Point(at_ms * 1_000_000, int(used), int(memory), int(start * 1e9))
