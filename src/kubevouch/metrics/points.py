"""One measurement of a node or a container, and which numbers can be one.

Go converts a number that does not fit uint64 (NaN, negative, too large) into an undefined number; here it is not a
sample. Neither is a time that Go's nanoseconds since 1970 cannot hold (beyond the year 2262).
"""

from typing import Final

import msgspec

NEVER: Final = -(2**63)
"""The start time if the page has none: before any other, as Go's zero time is. Nodes never have one."""

MOST: Final = 2**64
"""Of nanoseconds and bytes: less is an uint64."""
LAST_NS: Final = 2**63 - 1

PodKey = tuple[str, str]
"""Namespace and name."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One measurement. Times in nanoseconds since 1970; cpu in core-nanoseconds since the start; memory in bytes."""

    at_ns: int
    cpu_ns: int
    memory: int
    start_ns: int = NEVER


def is_sample(cpu: float, memory: float, at_ns: int) -> bool:
    """Whether these are a measurement: cpu in core-seconds, memory in bytes; zero of either is none."""
    # NaN fails every comparison.
    return 1 <= cpu * 1e9 < MOST and 1 <= memory < MOST and 0 <= at_ns <= LAST_NS


def node_point(cpu: float, memory: float, at_ns: int) -> Point | None:
    """A node's point; None if the numbers are no measurement."""
    return Point(at_ns, int(cpu * 1e9), int(memory)) if is_sample(cpu, memory, at_ns) else None


def start_of(seconds: float | None) -> int:
    """A container's start in nanoseconds; NEVER if the page has none, or one that no clock shows."""
    if seconds is None or not 0 <= seconds * 1e9 <= LAST_NS:
        return NEVER
    return int(seconds * 1e9)
