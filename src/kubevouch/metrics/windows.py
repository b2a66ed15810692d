"""The last two measurements of a node and its containers, and the rate between them (pkg/storage/{node,pod,types}.go).

A measurement is called a point here. The last two are `last` and `prev`. A point newer than `last`
becomes `last`, and the old `last` becomes `prev`. A point as old as `last`, or between `prev` and
`last`, replaces only `last`. A point older than `prev`, or the first one after a container's
restart, leaves no `prev`. A fresh container (10 seconds to one resolution old) gets a zero point at
its start as `prev`, so it has usage after one scrape.

Usually every container has a newer point and none was restarted. Then the old columns become `prev`
unchanged. Only other rows are handled one by one.
"""

from operator import lt
from typing import Final

import msgspec

from kubevouch.metrics.columns import ABSENT, Columns, Point, columns, no_measurements
from kubevouch.metrics.pages import Page

FRESH_AT_LEAST_NS: Final = 10 * 10**9
"""The minimum age of a fresh container. A younger container's rate would be too inexact (freshContainerMinMetricsResolution)."""

_MOST: Final = 2**64 - 1


class NodeWindow(msgspec.Struct, frozen=True, eq=False):
    """The last two points of a node and of its containers. Both Columns have the same rows.

    The memory in prev_containers has no meaning: a rate needs only CPU.
    """

    last: Point | None
    prev: Point | None
    containers: Columns
    prev_containers: Columns


def rate_between(last: Point, prev: Point) -> tuple[int, int] | None:
    """The nanocores between two points, and the time between them; None if the counter or the start time went backwards."""
    if last.start_ns < prev.start_ns or last.cpu_ns < prev.cpu_ns:
        return None
    window = last.at_ns - prev.at_ns
    return nanocores(last.cpu_ns - prev.cpu_ns, window), window


def nanocores(used_ns: int, window_ns: int) -> int:
    """The average CPU usage over a window, in nanocores."""
    seconds, rest = divmod(window_ns, 10**9)
    # In Go's steps (Duration.Seconds, then a division of float64), so that the last digit is the
    # same.
    cores = int(used_ns / (seconds + rest / 1e9))
    return min(_MOST, cores)


def next_window(before: NodeWindow | None, page: Page, resolution_ns: int) -> NodeWindow:
    """The window after a successful scrape. resolution_ns: the time between two scrapes."""
    now = page.containers
    node_prev = None
    if before is None:
        last = older = no_measurements(now.layout)
    else:
        last, older = _in_layout_of(now, before)
        if page.node is not None and before.last is not None:
            node_prev = _new_prev(page.node, before.last, before.prev)
    odd = _odd_rows(now, last, resolution_ns)
    prev = _patched(odd, now, last, older, resolution_ns) if odd else last
    return NodeWindow(page.node, node_prev, now, prev)


def _in_layout_of(now: Columns, before: NodeWindow) -> tuple[Columns, Columns]:
    """The last window's `containers` and `prev_containers`, in the row order of the new columns."""
    last, older = before.containers, before.prev_containers
    if last.layout is now.layout:
        return last, older
    rows = last.layout.rows_of(now.layout)
    return last.in_layout(now.layout, rows), older.in_layout(now.layout, rows)


def _odd_rows(now: Columns, last: Columns, resolution_ns: int) -> list[int]:
    """The rows whose new `prev` may differ from the row's last point."""
    youngest = now.latest_start_ns
    grown = max(resolution_ns, FRESH_AT_LEAST_NS)
    if youngest < last.oldest_ns and now.oldest_ns - youngest >= grown:
        # No container was restarted since its last point, and none is fresh.
        if all(map(lt, last.at_ns, now.at_ns)):
            return []
        both = enumerate(zip(now.at_ns, last.at_ns, strict=True))
        return [row for row, (at, last_at) in both if at <= last_at]
    each = enumerate(zip(now.at_ns, last.at_ns, now.start_ns, strict=True))
    return [
        row
        for row, (at, last_at, start) in each
        if not start < last_at < at or FRESH_AT_LEAST_NS <= at - start < resolution_ns
    ]


def _patched(
    rows: list[int], now: Columns, last: Columns, older: Columns, resolution_ns: int
) -> Columns:
    """The new `prev` columns: a copy of `last`, except in these rows."""
    cpu, at_ns, start_ns = last.cpu[:], last.at_ns[:], last.start_ns[:]
    for row in rows:
        at, start = now.at_ns[row], now.start_ns[row]
        if FRESH_AT_LEAST_NS <= at - start < resolution_ns:
            cpu[row], at_ns[row], start_ns[row] = 0.0, start, start
            continue
        source = _source(row, now, last, older)
        if source is None:
            at_ns[row] = ABSENT
        else:
            cpu[row], at_ns[row] = source.cpu[row], source.at_ns[row]
            start_ns[row] = source.start_ns[row]
    return columns(last.layout, cpu, last.memory, at_ns, start_ns)


def _source(row: int, now: Columns, last: Columns, older: Columns) -> Columns | None:
    """The columns with a row's new `prev`; None if it gets none. Not for a fresh container."""
    at, last_at, older_at = now.at_ns[row], last.at_ns[row], older.at_ns[row]
    if ABSENT in (at, last_at) or now.start_ns[row] >= last_at:
        return None
    if at > last_at:
        return last
    return older if older_at != ABSENT and older_at < at else None


def _new_prev(point: Point, last: Point, prev: Point | None) -> Point | None:
    if point.at_ns > last.at_ns:
        return last
    return prev if prev is not None and prev.at_ns < point.at_ns else None
