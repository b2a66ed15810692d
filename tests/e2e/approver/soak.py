"""A soak: nodes rotate at an even pace for a long time, and what the approver's process holds is read all along."""

import itertools
import math
import os
import re
import statistics
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from ssl import CERT_NONE, SSLContext

from tests.support.api_connection import path_of

from .simulated import CSRS, Joining, SimulatedNode

A_MINUTE = 100
KEPT = 2 * A_MINUTE
"""CSRs that are there at a time: older ones are deleted, as the controller-manager does after an hour."""

_READ_EVERY = 25
"""Rotations between two readings: four readings a minute."""

_WARM_UP = 1 / 3
"""Of the readings, which are left out: queues and caches fill, and Python's allocator takes what it needs."""

_SERIES = {
    "memory": "process_resident_memory_bytes",
    "files": "process_open_fds",
    "tasks": "kubevouch_approver_tasks",
}
_MAY_GROW = {"memory": 2 * 2**20, "files": 4.0, "tasks": 4.0}
"""From the first reading after the warm-up to the last, along the line through all of them."""

_REMEMBERED = 2 * 2**10
"""Bytes of each CSR that may stay: its key (16 of each node) and its UID (20,000), which an hour does not fill. A CSR that
is kept as a whole, or its certificate, is more than twice that."""


@dataclass(frozen=True)
class Reading:
    """What the process held at a moment: bytes, open files (connections among them), tasks of the event loop."""

    at: float
    memory: float
    files: float
    tasks: float


@dataclass(frozen=True)
class Soaked:
    """The CSRs that were asked for, and the readings."""

    asked: Sequence[str]
    readings: Sequence[Reading]
    pace: float
    """Rotations a minute: fewer than were wanted, where the machine is too slow for all of it."""

    def grown(self, what: str) -> float:
        """By how much it grew after the warm-up, along the line through all readings.

        Its slope is the median of the slopes between any two readings (Theil and Sen): a handshake that happens to be
        open at the end is no growth, and what leaks a little all along is.
        """
        rest = self.readings[int(len(self.readings) * _WARM_UP) :]
        slopes: list[float] = [
            (getattr(later, what) - getattr(earlier, what)) / (later.at - earlier.at)
            for earlier, later in combinations(rest, 2)
        ]
        return statistics.median(slopes) * (rest[-1].at - rest[0].at)

    def growing(self) -> dict[str, float]:
        """What is not flat, and by how much it grew beyond what is remembered by design."""
        grown = {what: self.grown(what) for what in _MAY_GROW}
        grown["memory"] -= _REMEMBERED * len(self.asked) * (1 - _WARM_UP)
        print(f"{len(self.asked)} rotations, {self.pace:.0f} a minute")
        print("\n".join(map(str, self.readings)), grown, sep="\n")
        return {what: by for what, by in grown.items() if by > _MAY_GROW[what]}


def minutes() -> float:
    """How long; $KUBEVOUCH_SOAK_MINUTES, an hour by default."""
    return float(os.environ.get("KUBEVOUCH_SOAK_MINUTES", "60"))


def nodes_needed() -> int:
    """So many that none asks more often than its budget allows: six at once, then one in ten minutes."""
    each = 5 + minutes() / 10
    return max(A_MINUTE, math.ceil(minutes() * A_MINUTE / each))


def soak(site: Joining, nodes: Sequence[SimulatedNode], read: Callable[[], Reading]) -> Soaked:
    """Rotates evenly, node after node, for that long; every CSR is approved and issued when this returns."""
    asked: list[str] = []
    readings: list[Reading] = []
    waiting: deque[str] = deque()
    began = time.monotonic()
    for number in itertools.count():
        if time.monotonic() - began > minutes() * 60:
            break
        name = nodes[number % len(nodes)].ask()
        asked.append(name)
        waiting.append(name)
        if len(waiting) > KEPT:
            old = waiting.popleft()
            site.approved(old)
            site.admin.delete(path_of(CSRS, old))
        if number % _READ_EVERY == 0:
            readings.append(read())
        due = began + (number + 1) * 60 / A_MINUTE
        time.sleep(max(0.0, due - time.monotonic()))
    for name in waiting:
        site.approved(name)
    readings.append(read())
    return Soaked(asked, readings, len(asked) / minutes())


def reading(url: str, context: SSLContext) -> Reading:
    """What /metrics says. context: with a client certificate of somebody who may read it; the server's is not verified."""
    context.check_hostname, context.verify_mode = False, CERT_NONE
    with urllib.request.urlopen(url, context=context, timeout=30) as answer:
        page = answer.read().decode()
    found = {}
    for what, series in _SERIES.items():
        value = re.search(rf"^{series} (\S+)$", page, re.MULTILINE)
        assert value is not None, (series, page)
        found[what] = float(value[1])
    return Reading(time.monotonic(), **found)
