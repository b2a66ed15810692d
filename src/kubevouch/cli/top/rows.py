"""What `kubectl top` shows, as values and as its very lines (kubectl 1.37, pkg/metricsutil/metrics_printer.go)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeVar

from kubevouch import quantity
from kubevouch.kube.resources import Node, NodeMetrics, PodMetrics

UNKNOWN: Final = "<unknown>"
_MEASURED: Final = ("cpu", "memory")
_NODE_COLUMNS: Final = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")
_POD_COLUMNS: Final = ("NAME", "CPU(cores)", "MEMORY(bytes)")


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu: cores. memory: bytes."""

    cpu: Fraction
    memory: Fraction

    @classmethod
    def of(cls, usage: Mapping[str, str]) -> "Usage":
        """From a metrics object; what it does not tell, or not as a quantity, is 0 as for kubectl."""
        return cls(*(quantity.read(usage.get(name, "")) or Fraction(0) for name in _MEASURED))

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.memory + other.memory)

    @property
    def millicores(self) -> int:
        """Rounded up, as kubectl shows it."""
        return quantity.milli(self.cpu)

    @property
    def mebibytes(self) -> int:
        """Rounded down, as kubectl shows it."""
        return int(self.memory) // 2**20

    @property
    def cells(self) -> tuple[str, str]:
        """As kubectl shows them."""
        return f"{self.millicores}m", f"{self.mebibytes}Mi"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node. used: None where the metrics API has none. available: its allocatable, or its capacity."""

    name: str
    used: Usage | None
    available: Usage | None = None

    @property
    def percents(self) -> tuple[int | None, int | None]:
        """Of what is available, cut; None where that is not known."""
        if self.used is None or self.available is None:
            return None, None
        return (
            _percent(self.used.cpu, self.available.cpu),
            _percent(self.used.memory, self.available.memory),
        )


@dataclass(frozen=True, slots=True)
class PodRow:
    """A pod, or one container of it."""

    namespace: str
    pod: str
    used: Usage
    container: str = ""


RowT = TypeVar("RowT", NodeRow, PodRow)


def node_rows(
    metrics: Iterable[NodeMetrics], nodes: Sequence[Node], *, capacity: bool, sort_by: str
) -> list[NodeRow]:
    """Measured ones first, in the order asked for; then those without metrics, by name."""
    limits = {
        node.name: Usage.of(node.status.capacity if capacity else node.status.allocatable)
        for node in nodes
    }
    measured = [NodeRow(each.name, Usage.of(each.usage), limits.get(each.name)) for each in metrics]
    names = {row.name for row in measured}
    absent = [NodeRow(name, None, limits[name]) for name in sorted(limits) if name not in names]
    return [*_sorted(measured, sort_by, lambda row: row.name), *absent]


def pod_rows(metrics: Iterable[PodMetrics], *, containers: bool, sort_by: str) -> list[PodRow]:
    """Pods by namespace and name, or as asked for; with their containers, those of a pod in the same order."""
    whole = [
        (each, sum((Usage.of(c.usage) for c in each.containers), Usage(Fraction(0), Fraction(0))))
        for each in metrics
    ]
    pods = _sorted(
        [PodRow(each.namespace, each.name, used) for each, used in whole],
        sort_by,
        lambda row: (row.namespace, row.pod),
    )
    if not containers:
        return pods
    inside = {(each.namespace, each.name): each.containers for each, _ in whole}
    rows: list[PodRow] = []
    for pod in pods:
        found = [
            PodRow(pod.namespace, pod.pod, Usage.of(each.usage), each.name)
            for each in inside[pod.namespace, pod.pod]
        ]
        rows += _sorted(found, sort_by, lambda row: row.container)
    return rows


def node_lines(rows: Sequence[NodeRow], *, headers: bool) -> list[str]:
    """Kubectl's table, its blanks at the end of lines included."""
    cells = [_node_cells(row) for row in rows]
    return _tabbed([_NODE_COLUMNS, *cells] if headers else cells)


def pod_lines(
    rows: Sequence[PodRow], *, headers: bool, namespaces: bool, containers: bool, total: bool
) -> list[str]:
    """Kubectl's table, its blanks at the end of lines included."""
    before = (("NAMESPACE",) if namespaces else ()) + (("POD",) if containers else ())
    cells: list[Sequence[str]] = [(*before, *_POD_COLUMNS)] if headers else []
    for row in rows:
        names = (row.pod, row.container) if containers else (row.pod,)
        cells.append((*((row.namespace,) if namespaces else ()), *names, *row.used.cells))
    if total:
        whole = sum((row.used for row in rows), Usage(Fraction(0), Fraction(0)))
        blank = [""] * (len(before) + 1)
        cells += [(*blank, "________", "________"), (*blank, *whole.cells)]
    return _tabbed(cells)


def _sorted(rows: list[RowT], sort_by: str, name: Callable[[RowT], Any]) -> list[RowT]:
    """By name; or by cpu or memory, the largest first."""

    def size(row: RowT) -> Fraction:
        if row.used is None:
            return Fraction(0)
        return row.used.cpu if sort_by == "cpu" else row.used.memory

    ordered = sorted(rows, key=name)
    return sorted(ordered, key=size, reverse=True) if sort_by else ordered


def _node_cells(row: NodeRow) -> Sequence[str]:
    if row.used is None:
        return (row.name, *[UNKNOWN] * 4)
    shown = [UNKNOWN if each is None else f"{each}%" for each in row.percents]
    cpu, memory = row.used.cells
    return (row.name, cpu, shown[0], memory, shown[1])


def _percent(used: Fraction, available: Fraction) -> int | None:
    """In kubectl's steps: thousandths, a division of float64, cut."""
    limit = quantity.milli(available)
    return int(quantity.milli(used) / limit * 100) if limit > 0 else None


def _tabbed(rows: Sequence[Sequence[str]]) -> list[str]:
    """Go's tabwriter with kubectl's settings: cells of at least 6, three blanks behind each, also behind the last."""
    widths = [max(6, *(len(cell) + 3 for cell in column)) for column in zip(*rows, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
