"""What `kubectl top` shows, as values and as its very lines (kubectl 1.37, pkg/metricsutil/metrics_printer.go)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final, TypeVar

from kubevouch import quantity
from kubevouch.kube.resources import NodeMetrics, PodMetrics, SizedNode

UNKNOWN: Final = "<unknown>"
_NODE_COLUMNS: Final = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")
_NODE_SWAP: Final = ("SWAP(bytes)", "SWAP(%)")
_POD_COLUMNS: Final = ("NAME", "CPU(cores)", "MEMORY(bytes)")
_POD_SWAP: Final = ("SWAP(bytes)",)
_RULE: Final = "________"


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu: cores. memory, swap: bytes. swap: None where the metrics API does not tell it."""

    cpu: Fraction = Fraction(0)
    memory: Fraction = Fraction(0)
    swap: Fraction | None = None

    @classmethod
    def of(cls, usage: Mapping[str, str]) -> "Usage":
        """From a metrics object; what it does not tell, or not as a quantity, is 0 as for kubectl."""
        cpu, memory = (
            quantity.read(usage.get(name, "")) or Fraction(0) for name in ("cpu", "memory")
        )
        return cls(cpu, memory, quantity.read(usage.get("swap", "")))

    def __add__(self, other: "Usage") -> "Usage":
        told = [each for each in (self.swap, other.swap) if each is not None]
        swap = sum(told, Fraction(0)) if told else None
        return Usage(self.cpu + other.cpu, self.memory + other.memory, swap)

    @property
    def millicores(self) -> int:
        """Rounded up, as kubectl shows it."""
        return quantity.milli(self.cpu)

    def cells(self, *, swap: bool) -> tuple[str, ...]:
        """As kubectl shows them; swap that is not told is shown as none."""
        shown = (f"{self.millicores}m", _mebibytes(self.memory))
        return (*shown, _mebibytes(self.swap or Fraction(0))) if swap else shown


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node. used: None where the metrics API has none. available: its allocatable, or its capacity.

    swap: how much it has, in bytes; None where its kubelet does not tell.
    """

    name: str
    used: Usage | None
    available: Usage | None = None
    swap: int | None = None

    @property
    def percents(self) -> tuple[int | None, int | None, int | None]:
        """Of cpu, memory and swap, how much of what is available; cut; None where that is not known."""
        if self.used is None or self.available is None:
            return None, None, None
        return (
            _percent(self.used.cpu, self.available.cpu),
            _percent(self.used.memory, self.available.memory),
            None
            if self.swap is None
            else _percent(self.used.swap or Fraction(0), Fraction(self.swap)) or 0,
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
    metrics: Iterable[NodeMetrics], nodes: Sequence[SizedNode], *, capacity: bool, sort_by: str
) -> list[NodeRow]:
    """Measured ones first, in the order asked for; then those without metrics, by name."""
    limits = {
        node.name: Usage.of(node.status.capacity if capacity else node.status.allocatable)
        for node in nodes
    }
    swap = {node.name: node.status.node_info.swap.capacity for node in nodes}
    measured = [
        NodeRow(each.name, Usage.of(each.usage), limits.get(each.name), swap.get(each.name))
        for each in metrics
    ]
    names = {row.name for row in measured}
    absent = [
        NodeRow(name, None, limits[name], swap[name])
        for name in sorted(limits)
        if name not in names
    ]
    return [*_sorted(measured, sort_by, lambda row: row.name), *absent]


def pod_rows(metrics: Iterable[PodMetrics], *, containers: bool, sort_by: str) -> list[PodRow]:
    """Pods by namespace and name, or as asked for; with their containers, those of a pod in the same order."""
    whole = [(each, sum((Usage.of(c.usage) for c in each.containers), Usage())) for each in metrics]
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


def node_lines(rows: Sequence[NodeRow], *, headers: bool, swap: bool) -> list[str]:
    """Kubectl's table, its blanks at the end of lines included."""
    cells = [_node_cells(row, swap=swap) for row in rows]
    columns = (*_NODE_COLUMNS, *_NODE_SWAP) if swap else _NODE_COLUMNS
    return _tabbed([columns, *cells] if headers else cells)


def pod_lines(
    rows: Sequence[PodRow],
    *,
    headers: bool,
    namespaces: bool,
    containers: bool,
    total: bool,
    swap: bool,
) -> list[str]:
    """Kubectl's table, its blanks at the end of lines included."""
    columns = (*_POD_COLUMNS, *_POD_SWAP) if swap else _POD_COLUMNS
    # Kubectl counts these only where it prints headings, and puts the sum below the wrong columns where it does not.
    before = (("NAMESPACE",) if namespaces else ()) + (("POD",) if containers else ())
    width = len(columns) + (len(before) if headers else 0)
    cells: list[Sequence[str]] = [(*before, *columns)] if headers else []
    for row in rows:
        names = (row.pod, row.container) if containers else (row.pod,)
        used = row.used.cells(swap=swap)
        cells.append((*((row.namespace,) if namespaces else ()), *names, *used))
    if total:
        whole = sum((row.used for row in rows), Usage())
        cells.append((*[""] * (width - 2), _RULE, _RULE))
        cells.append((*[""] * (width - 2), *whole.cells(swap=swap)))
    return _tabbed(cells)


def _sorted(rows: list[RowT], sort_by: str, name: Callable[[RowT], Any]) -> list[RowT]:
    """By name; or by cpu or memory as they are shown, the largest first and equal ones by name."""

    def size(row: RowT) -> int:
        if row.used is None:
            return 0
        return row.used.millicores if sort_by == "cpu" else ceil(row.used.memory)

    ordered = sorted(rows, key=name)
    return sorted(ordered, key=size, reverse=True) if sort_by else ordered


def _node_cells(row: NodeRow, *, swap: bool) -> Sequence[str]:
    if row.used is None:
        return (row.name, *[UNKNOWN] * (6 if swap else 4))
    cpu, memory, swapped = (UNKNOWN if each is None else f"{each}%" for each in row.percents)
    used = row.used.cells(swap=True)
    cells = (row.name, used[0], cpu, used[1], memory)
    if not swap:
        return cells
    return (*cells, *((UNKNOWN, UNKNOWN) if row.swap is None else (used[2], swapped)))


def _mebibytes(number: Fraction) -> str:
    """Rounded down, as kubectl shows it."""
    return f"{int(number) // 2**20}Mi"


def _percent(used: Fraction, available: Fraction) -> int | None:
    """In kubectl's steps: thousandths, a division of float64, cut."""
    limit = quantity.milli(available)
    return int(quantity.milli(used) / limit * 100) if limit > 0 else None


def _tabbed(rows: Sequence[Sequence[str]]) -> list[str]:
    """Go's tabwriter with kubectl's settings: cells of at least 6, three blanks behind each, also behind the last.

    Cells that stand below one another are as wide as the widest of them; a shorter line begins a column anew.
    """
    widths: list[list[int]] = [[max(6, len(cell) + 3) for cell in row] for row in rows]
    for column in range(max(map(len, widths), default=0)):
        first = 0
        while first < len(widths):
            end = first
            while end < len(widths) and len(widths[end]) > column:
                end += 1
            widest = max((widths[at][column] for at in range(first, end)), default=0)
            for at in range(first, end):
                widths[at][column] = widest
            first = end + 1
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, each, strict=True))
        for row, each in zip(rows, widths, strict=True)
    ]
