"""Which samples of a kubelet's page count: one measurement of the node and one of each container.

The rules are metrics-server's (pkg/scraper/client/resource/decode.go):

- A measurement's time is that of the line read last; families are sorted, so it is the memory line's. A line without a
  time gets the time of the request.
- A node without CPU or memory, or with zero of either, has none.
- If any container of a pod has no CPU or no memory, or zero of either, the whole pod has none.
"""

from array import array
from collections.abc import Mapping

import msgspec

from kubevouch.kubelet.resource_metrics import ContainerSamples, ResourceMetrics, Sample
from kubevouch.metrics.columns import Columns, Owner, columns, layout_of
from kubevouch.metrics.points import PodKey, Point, is_sample, node_point, start_of

Measurement = tuple[float, float, int, int]
"""Of a container: core-seconds, bytes, its time and its start in nanoseconds since 1970."""


class Page(msgspec.Struct, frozen=True, eq=False):
    """The measurements of one page. `node` is None if the page lacks the node's CPU or memory.

    incomplete: pods that were left out because a container lacks CPU or memory.
    """

    node: Point | None
    containers: Columns
    incomplete: tuple[PodKey, ...] = ()


def page_of(metrics: ResourceMetrics, requested_ms: int) -> Page:
    """The measurements of a page that was requested at `requested_ms` (milliseconds since 1970)."""
    found: dict[Owner, Measurement] = {}
    incomplete: list[PodKey] = []
    for pod in metrics.pods:
        key = (pod.namespace, pod.name)
        own = [
            (
                container.name,
                _measured(container.cpu, container.memory, container.start, requested_ms),
            )
            for container in pod.containers
            if not _has_no_sample(container)
        ]
        if any(measured is None for _, measured in own):
            incomplete.append(key)
            continue
        found.update({(key, name): measured for name, measured in own if measured is not None})
    node = _measured(metrics.cpu, metrics.memory, None, requested_ms)
    return Page(node_point(*node[:3]) if node else None, columns_of(found), tuple(incomplete))


def columns_of(found: Mapping[Owner, Measurement]) -> Columns:
    """The columns of these containers, in this order."""
    cpu, memory, at_ns, start_ns = zip(*found.values(), strict=True) if found else ((),) * 4
    return columns(
        layout_of(list(found)),
        array("d", cpu),
        array("d", memory),
        array("q", at_ns),
        array("q", start_ns),
    )


def _has_no_sample(container: ContainerSamples) -> bool:
    """Whether the container has no sample that counts (only swap, say): Go then has no entry for it."""
    return container.cpu is None and container.memory is None and container.start is None


def _measured(
    cpu: Sample | None, memory: Sample | None, start: Sample | None, requested_ms: int
) -> Measurement | None:
    if cpu is None or memory is None:
        return None
    at_ns = (requested_ms if memory.at_ms is None else memory.at_ms) * 1_000_000
    if not is_sample(cpu.value, memory.value, at_ns):
        return None
    return cpu.value, memory.value, at_ns, start_of(start.value if start else None)
