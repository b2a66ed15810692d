"""The rows of `kubectl top` as values, rounded like kubectl (pkg/metricsutil/metrics_printer.go)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any

from kubevouch import quantity
from kubevouch.kube.resources import NodeMetrics, PodMetrics, SizedNode


@dataclass(frozen=True, slots=True)
class Usage:
    """Used CPU in cores, and memory in bytes."""

    cpu: Fraction = Fraction(0)
    memory: Fraction = Fraction(0)

    @classmethod
    def of(cls, usage: Mapping[str, str]) -> "Usage":
        """Reads the usage of a metrics object. Missing and unreadable numbers are 0, as in kubectl."""
        cpu, memory = (
            quantity.read(usage.get(name, "")) or Fraction(0) for name in ("cpu", "memory")
        )
        return cls(cpu, memory)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.memory + other.memory)

    @property
    def millicores(self) -> int:
        """CPU in millicores, rounded up as in kubectl."""
        return quantity.milli(self.cpu)

    @property
    def cells(self) -> tuple[str, str]:
        """The text of CPU and memory, as in kubectl; memory is rounded down."""
        return f"{self.millicores}m", f"{int(self.memory) // 2**20}Mi"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A row: a node, a pod (with a namespace) or a container of a pod. used: None if the metrics API has no usage.

    available: allocatable resources or capacity of a node. timestamp, window: when, and over which
    time, the usage was measured.
    """

    namespace: str
    name: str
    used: Usage | None
    container: str = ""
    available: Usage | None = None
    timestamp: datetime | None = None
    window: str = ""

    @property
    def percents(self) -> tuple[int | None, int | None]:
        """Used CPU and memory in percent of `available`, rounded down; None if unknown."""
        if self.used is None or self.available is None:
            return None, None
        return (
            _percent(self.used.cpu, self.available.cpu),
            _percent(self.used.memory, self.available.memory),
        )


def node_rows(
    metrics: Iterable[NodeMetrics], nodes: Sequence[SizedNode], *, capacity: bool, sort_by: str
) -> list[UsageRow]:
    """The rows of nodes: nodes with metrics in the requested order, then the others by name."""
    limits = {
        node.name: Usage.of(node.status.capacity if capacity else node.status.allocatable)
        for node in nodes
    }
    measured = {
        each.name: UsageRow(
            "",
            each.name,
            Usage.of(each.usage),
            available=limits.get(each.name),
            timestamp=each.timestamp,
            window=each.window,
        )
        for each in metrics
    }
    absent = [
        UsageRow("", name, None, available=limits[name])
        for name in sorted(limits)
        if name not in measured
    ]
    return [*_sorted(measured.values(), sort_by, lambda row: row.name), *absent]


def pod_rows(metrics: Iterable[PodMetrics], *, containers: bool, sort_by: str) -> list[UsageRow]:
    """The rows of pods by namespace and name, or in the requested order.

    containers: one row per container, sorted in the same way within a pod.
    """
    found = {(each.namespace, each.name): each for each in metrics}

    def row(each: PodMetrics, used: Usage, container: str = "") -> UsageRow:
        return UsageRow(
            each.namespace,
            each.name,
            used,
            container,
            timestamp=each.timestamp,
            window=each.window,
        )

    pods = _sorted(
        [row(each, total(Usage.of(c.usage) for c in each.containers)) for each in found.values()],
        sort_by,
        lambda row: (row.namespace, row.name),
    )
    if not containers:
        return pods
    rows: list[UsageRow] = []
    for pod in pods:
        each = found[pod.namespace, pod.name]
        inside = [row(each, Usage.of(c.usage), c.name) for c in each.containers]
        rows += _sorted(inside, sort_by, lambda row: row.container)
    return rows


def total(used: Iterable[Usage | None]) -> Usage:
    """The sum of the known usages."""
    return sum((each for each in used if each is not None), Usage())


def _sorted(
    rows: Iterable[UsageRow], sort_by: str, name: Callable[[UsageRow], Any]
) -> list[UsageRow]:
    """Sorts by name; or by CPU in millicores or memory in bytes, largest first, then by name."""

    def size(row: UsageRow) -> int:
        if row.used is None:
            return 0
        return row.used.millicores if sort_by == "cpu" else ceil(row.used.memory)

    ordered = sorted(rows, key=name)
    return sorted(ordered, key=size, reverse=True) if sort_by else ordered


def _percent(used: Fraction, available: Fraction) -> int | None:
    """The percentage, computed as in kubectl: divides thousandths as float64, then truncates."""
    limit = quantity.milli(available)
    return int(quantity.milli(used) / limit * 100) if limit > 0 else None
