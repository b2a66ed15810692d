"""A node's measurement, and those of a page's containers as columns: a row per container, an array per number.

Which numbers count: Go converts a number outside uint64 (NaN, negative, too large) into an
undefined one; here it is no sample. Nor is a time beyond Go's nanoseconds since 1970 (after the
year 2262).

Only the numbers differ between two pages of a node. So the names are kept once (`Layout`), each
number takes 8 bytes, and whole columns are compared at once. Values are built only on request.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

NEVER: Final = -(2**63)
"""The start time if the page has none: before any other, like Go's zero time. Nodes never have
one."""

MOST: Final = 2**64
"""Bound of nanoseconds and bytes: smaller ones fit uint64."""
LAST_NS: Final = 2**63 - 1

PodKey = tuple[str, str]
"""Namespace and name."""


ABSENT: Final = -1
"""In at_ns: the row has no measurement."""

Owner = tuple[PodKey, str]
"""A container, as its pod and its name."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One measurement. Times in nanoseconds since 1970; cpu in core-nanoseconds since the start; memory in bytes."""

    at_ns: int
    cpu_ns: int
    memory: int
    start_ns: int = NEVER


def is_sample(cpu: float, memory: float, at_ns: int) -> bool:
    """Whether these are a measurement: cpu in core-seconds, memory in bytes. A zero is none."""
    # NaN fails every comparison.
    return 1 <= cpu * 1e9 < MOST and 1 <= memory < MOST and 0 <= at_ns <= LAST_NS


def node_point(cpu: float, memory: float, at_ns: int) -> Point | None:
    """A node's point; None if the numbers are no measurement."""
    return Point(at_ns, int(cpu * 1e9), int(memory)) if is_sample(cpu, memory, at_ns) else None


def start_of(seconds: float | None) -> int:
    """A container's start in nanoseconds; NEVER if the page has none, or an impossible one."""
    if seconds is None or not 0 <= seconds * 1e9 <= LAST_NS:
        return NEVER
    return int(seconds * 1e9)


class Layout(msgspec.Struct, frozen=True, eq=False):
    """The containers of the rows. names: each row's container. pods: the rows of each pod, by container name."""

    names: tuple[str, ...]
    pods: Mapping[PodKey, tuple[int, ...]]

    def rows_of(self, other: "Layout") -> list[int]:
        """For each row of the other layout: the same container's row here, or ABSENT."""
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
    """One measurement of each container, or none (ABSENT).

    cpu: core-seconds since the container's start. memory: bytes. present: how many rows have a
    measurement. oldest_ns: the earliest of their times. latest_start_ns: the start of the youngest
    container, measured or not.
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
        """The same measurements in another layout. rows: for each of its rows the row here, or ABSENT."""

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
    """Columns of these arrays. latest_start_ns: if the caller knows it."""
    present, oldest = len(at_ns), min(at_ns, default=LAST_NS)
    if oldest == ABSENT:
        present -= at_ns.count(ABSENT)
        oldest = min((at for at in at_ns if at != ABSENT), default=LAST_NS)
    if latest_start_ns is None:
        latest_start_ns = max(start_ns, default=NEVER)
    return Columns(layout, cpu, memory, at_ns, start_ns, present, oldest, latest_start_ns)


def no_measurements(layout: Layout) -> Columns:
    """Columns of a layout with every row absent."""
    rows = len(layout.names)
    nothing = array("d", bytes(8 * rows))
    return columns(
        layout, nothing, nothing, array("q", [ABSENT]) * rows, array("q", [NEVER]) * rows
    )
