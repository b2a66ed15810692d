"""Whose turn it is, and when: each requestor by one worker at a time, and again if something happened meanwhile.

Each requestor has one place in the queue and goes to its end after a turn, so whoever asks waits for at most one CSR of each
other credential.
"""

import asyncio
import heapq
from itertools import count
from typing import Final, Generic, TypeVar

from kubevouch.clock import Clock

K = TypeVar("K")

_TICK: Final = 0.5
"""Seconds between two looks at who has waited long enough. What is due at once does not wait for it."""


class DecisionQueue(Generic[K]):
    """A queue of requestors. `run` brings up those that wait; `get` and `done` are the workers'."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        """Each wakes one worker: an Event would wake all of them, which costs as much as a decision."""
        self._due: dict[K, float] = {}
        """By requestor: when it is due; 0 for what is ready."""
        self._later: list[tuple[float, int, K]] = []
        self._numbers = count()
        self._said: dict[K, float] = {}
        """By requestor: when it was last said that it is due. Of what a worker has: when it was said before he took it."""
        self._busy: set[K] = set()
        self._again: set[K] = set()

    @property
    def depth(self) -> int:
        """How many are due, or being looked at now."""
        return self._ready.qsize() + len(self._busy)

    def put(self, key: K, after: float = 0.0) -> None:
        """It is to be looked at in so many seconds; earlier, if that was said before."""
        if after <= 0 and key in self._busy:
            self._again.add(key)
            return
        now = self._clock.monotonic()
        due = 0.0 if after <= 0 else now + after
        if not due:
            self._said[key] = now
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        if due:
            heapq.heappush(self._later, (due, next(self._numbers), key))
        else:
            self._ready.put_nowait(key)

    def discard(self, key: K) -> None:
        """It is not to be looked at any more."""
        self._due.pop(key, None)
        self._again.discard(key)
        self._forget(key)

    def clear(self) -> None:
        """Nothing is to be looked at any more."""
        while not self._ready.empty():
            self._ready.get_nowait()
        self._due.clear()
        self._later.clear()
        self._again.clear()
        self._said = {key: at for key, at in self._said.items() if key in self._busy}

    async def get(self) -> K:
        """The next that is due. It is the caller's until `done`."""
        while True:
            key = await self._ready.get()
            if self._due.get(key) == 0.0 and key not in self._busy:
                del self._due[key]
                self._busy.add(key)
                return key

    def said(self, key: K) -> float:
        """When it was said that this one, which a worker has, is to be looked at, by the monotonic clock."""
        return self._said[key]

    def done(self, key: K) -> None:
        """The worker has finished with it."""
        self._busy.discard(key)
        self._forget(key)
        if key in self._again:
            self._again.discard(key)
            self.put(key)

    def _forget(self, key: K) -> None:
        if key not in self._busy and self._due.get(key) != 0.0:
            self._said.pop(key, None)

    async def run(self) -> None:
        """Brings up what has waited long enough, until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            while self._later and self._later[0][0] <= now:
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.put(key)
