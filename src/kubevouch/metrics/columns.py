"""A node's measurement, and those of its containers as columns: a row each, an array per field.

A value outside uint64 (NaN, negative, too large) is not a valid sample, since Go's conversion of it
is undefined. Nor is a time after the year 2262, which overflows Go's int64 nanoseconds since 1970.

Usually two responses of a kubelet differ only in the numbers. So names are stored once (`Layout`),
each number takes 8 bytes, and whole columns are compared in one step. NodeUsage and PodUsage are
built only for API requests.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

NEVER: Final = -(2**63)
"""The start time of a node, or of a container whose start is unknown. It precedes all other times,
like Go's zero time."""

MOST: Final = 2**64
"""The exclusive upper bound of nanoseconds and bytes: smaller numbers fit into uint64."""
LAST_NS: Final = 2**63 - 1

PodKey = tuple[str, str]
"""A pod's namespace and name."""


ABSENT: Final = -1
"""The value in Columns.at_ns for a container without a measurement."""

Owner = tuple[PodKey, str]
"""A container: its pod and its name."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """A measurement. Times are in nanoseconds since 1970, cpu_ns in core-nanoseconds since the start, memory in bytes."""

    at_ns: int
    cpu_ns: int
    memory: int
    start_ns: int = NEVER


def is_sample(cpu: float, memory: float, at_ns: int) -> bool:
    """Whether these numbers are a valid measurement.

    cpu: core-seconds. memory: bytes. Neither may be 0.
    """
    # NaN fails every comparison.
    return 1 <= cpu * 1e9 < MOST and 1 <= memory < MOST and 0 <= at_ns <= LAST_NS


def node_point(cpu: float, memory: float, at_ns: int) -> Point | None:
    """A node's measurement; None if the numbers are invalid."""
    return Point(at_ns, int(cpu * 1e9), int(memory)) if is_sample(cpu, memory, at_ns) else None


def start_of(seconds: float | None) -> int:
    """A container's start in nanoseconds since 1970; NEVER if `seconds` is None or out of range."""
    if seconds is None or not 0 <= seconds * 1e9 <= LAST_NS:
        return NEVER
    return int(seconds * 1e9)


class Layout(msgspec.Struct, frozen=True, eq=False):
    """Which row belongs to which container. names: the container name of each row. pods: each pod's rows, sorted by container name."""

    names: tuple[str, ...]
    pods: Mapping[PodKey, tuple[int, ...]]

    def rows_of(self, other: "Layout") -> list[int]:
        """For each row of `other`: the row of the same container in this layout, or ABSENT."""
        rows = [ABSENT] * len(other.names)
        for pod, theirs in other.pods.items():
            ours = {self.names[row]: row for row in self.pods.get(pod, ())}
            for row in theirs:
                rows[row] = ours.get(other.names[row], ABSENT)
        return rows


def layout_of(owners: Sequence[Owner]) -> Layout:
    """The layout for these distinct containers."""
    names = tuple(name for _, name in owners)
    rows: dict[PodKey, list[int]] = {}
    for row, (pod, _) in enumerate(owners):
        rows.setdefault(pod, []).append(row)
    return Layout(
        names, {pod: tuple(sorted(own, key=names.__getitem__)) for pod, own in rows.items()}
    )


class Columns(msgspec.Struct, frozen=True, eq=False, gc=False):
    """At most one measurement of each container. If a container has none, its at_ns is ABSENT.

    cpu: core-seconds since the container's start. memory: bytes. present: how many rows have a
    measurement. oldest_ns: the earliest time of a measurement. latest_start_ns: the start of the
    youngest container, measured or not.
    """

    layout: Layout
    cpu: "array[float]"
    memory: "array[float]"
    at_ns: "array[int]"
    start_ns: "array[int]"
    present: int
    oldest_ns: int
    latest_start_ns: int

    def in_layout(self, layout: Layout, rows: Sequence[int]) -> "Columns":
        """The same measurements in another layout.

        rows: the result of `self.layout.rows_of(layout)`.
        """

        def picked(column: "array[float] | array[int]", otherwise: float) -> list[Any]:
            # ABSENT picks the last place.
            return list(map([*column, otherwise].__getitem__, rows))

        return columns(
            layout,
            array("d", picked(self.cpu, 0.0)),
            array("d", picked(self.memory, 0.0)),
            array("q", picked(self.at_ns, ABSENT)),
            array("q", picked(self.start_ns, NEVER)),
        )


def columns(
    layout: Layout,
    cpu: "array[float]",
    memory: "array[float]",
    at_ns: "array[int]",
    start_ns: "array[int]",
    *,
    latest_start_ns: int | None = None,
) -> Columns:
    """Builds Columns from these arrays. latest_start_ns: computed if None."""
    present, oldest = len(at_ns), min(at_ns, default=LAST_NS)
    if oldest == ABSENT:
        present -= at_ns.count(ABSENT)
        oldest = min((at for at in at_ns if at != ABSENT), default=LAST_NS)
    if latest_start_ns is None:
        latest_start_ns = max(start_ns, default=NEVER)
    return Columns(layout, cpu, memory, at_ns, start_ns, present, oldest, latest_start_ns)


def no_measurements(layout: Layout) -> Columns:
    """Columns without any measurement: every row is ABSENT."""
    rows = len(layout.names)
    nothing = array("d", bytes(8 * rows))
    return columns(
        layout, nothing, nothing, array("q", [ABSENT]) * rows, array("q", [NEVER]) * rows
    )
