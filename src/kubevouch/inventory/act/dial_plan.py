"""Decides which kubelet to dial next.

A new kubelet is dialled immediately. A failed kubelet (one whose last dial failed) is dialled again
after a backoff, every other kubelet at regular intervals. Only a few failed kubelets are dialled
concurrently, so they never delay the others. Each node has at most one dial in progress, even if
its address keeps changing.
"""

import heapq
from dataclasses import dataclass
from math import inf
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.moments import next_moment, phase_of

FIRST_AGAIN: Final = 60.0
"""Seconds from a kubelet's first failed dial to the next; doubled after each further failure."""
AGAIN_AT_ONCE: Final = 16


@dataclass(slots=True, eq=False)
class PlannedKubelet:
    """A kubelet to dial.

    due: when to dial it next, by the monotonic clock. again: when to dial it once more after that;
    inf if this is not needed.
    """

    target: Target
    phase: float
    due: float
    again: float = inf
    failures: int = 0
    asked: bool = False


class DialPlan:
    """Iterates over the kubelets that are due.

    After a StopIteration the iterator stays usable: `next` returns kubelets that have become due
    since. interval: seconds between two dials of a kubelet.
    """

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._planned: dict[str, PlannedKubelet] = {}
        self._regular: list[tuple[float, str]] = []
        self._failed: list[tuple[float, str]] = []
        self._dialled: set[str] = set()
        """Nodes with a dial in progress, perhaps at an old address."""

    def __iter__(self) -> "DialPlan":
        return self

    def __next__(self) -> Target:
        now = self._clock.monotonic()
        found = self._next_of(self._regular, now, failed=False)
        if found is None and self._failed_dials() < AGAIN_AT_ONCE:
            found = self._next_of(self._failed, now, failed=True)
        if found is None:
            raise StopIteration
        self._dialled.add(found.target.node)
        found.due = found.again if found.again > now else inf
        found.again = inf
        return found.target

    def _failed_dials(self) -> int:
        dialled = (self._planned.get(name) for name in self._dialled)
        return sum(each is not None and bool(each.failures) for each in dialled)

    def _next_of(
        self, heap: list[tuple[float, str]], now: float, *, failed: bool
    ) -> PlannedKubelet | None:
        while heap and heap[0][0] <= now:
            due, name = heapq.heappop(heap)
            each = self._planned.get(name)
            # A change or a removal leaves an old entry in the heap. `done` adds a node again that
            # is being dialled at an old address.
            if each is None or each.due != due or name in self._dialled:
                continue
            if bool(each.failures) == failed:
                return each
        return None

    @property
    def unasked(self) -> int:
        """The number of kubelets that were never dialled."""
        return sum(not each.asked for each in self._planned.values())

    @property
    def late(self) -> float:
        """How many seconds the most overdue dial is late. Ignores failed kubelets."""
        due = [
            each.due
            for name, each in self._planned.items()
            if not each.failures and name not in self._dialled
        ]
        return max(0.0, self._clock.monotonic() - min(due)) if due else 0.0

    def put(self, target: Target, *, now: bool = False) -> None:
        """Adds a kubelet. It is dialled at once if it is new, if its address is new, or if `now` is set."""
        before = self._planned.get(target.node)
        if before is not None and before.target == target:
            if now:
                self.hurry(target.node)
            return
        self.remove(target.node)
        moment = self._clock.monotonic()
        self._planned[target.node] = made = PlannedKubelet(target, phase_of(target.node), moment)
        self._push(made)

    def remove(self, name: str) -> None:
        """Removes a kubelet."""
        self._planned.pop(name, None)

    def hurry(self, name: str, seconds: float = 0.0) -> None:
        """Makes a kubelet due within `seconds`.

        If it is due sooner, that dial may be too early, so it is dialled again after `seconds`.
        """
        each = self._planned.get(name)
        at = self._clock.monotonic() + seconds
        if each is not None and each.due > at:
            each.due = at
            self._push(each)
        elif each is not None and seconds:
            each.again = min(each.again, at)

    def hurry_all(self) -> None:
        """Makes all kubelets due now."""
        for name in self._planned:
            self.hurry(name)

    def done(self, target: Target, *, failed: bool) -> bool:
        """Records the end of a dial.

        Returns False if the result is obsolete: the kubelet was removed or has a new address.
        """
        self._dialled.discard(target.node)
        each = self._planned.get(target.node)
        if each is None:
            return False
        if each.target is not target:
            self._push(each)
            return False
        each.asked = True
        each.failures = each.failures + 1 if failed else 0
        each.due = min(each.due, self._clock.monotonic() + self._wait(each))
        self._push(each)
        return True

    def _wait(self, each: PlannedKubelet) -> float:
        if each.failures:
            again = FIRST_AGAIN * 2.0 ** min(each.failures - 1, 16)
            if again < self._interval:
                return again
        wall = self._clock.now().timestamp()
        return next_moment(each.phase, self._interval, now=wall, last=wall) - wall

    def _push(self, each: PlannedKubelet) -> None:
        heap = self._failed if each.failures else self._regular
        heapq.heappush(heap, (each.due, each.target.node))
