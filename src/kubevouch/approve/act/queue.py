"""Which CSRs are to be looked at, and when: each by one worker at a time, and again if something happened meanwhile."""

import asyncio
import heapq
from itertools import count
from typing import Final

from kubevouch.clock import Clock

_TICK: Final = 0.5
"""Seconds between two looks at who has waited long enough. What is due at once does not wait for it."""


class DecisionQueue:
    """A queue of names. `run` brings up those that wait; `get` and `done` are the workers'."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        """Each name wakes one worker: an Event would wake all of them, which costs as much as a decision."""
        self._due: dict[str, float] = {}
        """By name: when it is due; 0 for what is ready."""
        self._later: list[tuple[float, int, str]] = []
        self._numbers = count()
        self._said: dict[str, float] = {}
        """By name: when it was last said that it is due. Of what a worker has: when it was said before he took it."""
        self._busy: set[str] = set()
        self._again: set[str] = set()

    @property
    def depth(self) -> int:
        """How many are due, or being looked at now."""
        return self._ready.qsize() + len(self._busy)

    def put(self, name: str, after: float = 0.0) -> None:
        """It is to be looked at in so many seconds; earlier, if that was said before."""
        if after <= 0 and name in self._busy:
            self._again.add(name)
            return
        now = self._clock.monotonic()
        due = 0.0 if after <= 0 else now + after
        if not due:
            self._said[name] = now
        known = self._due.get(name)
        if known is not None and known <= due:
            return
        self._due[name] = due
        if due:
            heapq.heappush(self._later, (due, next(self._numbers), name))
        else:
            self._ready.put_nowait(name)

    def discard(self, name: str) -> None:
        """It is not to be looked at any more."""
        self._due.pop(name, None)
        self._again.discard(name)
        self._forget(name)

    def clear(self) -> None:
        """Nothing is to be looked at any more."""
        while not self._ready.empty():
            self._ready.get_nowait()
        self._due.clear()
        self._later.clear()
        self._again.clear()
        self._said = {name: at for name, at in self._said.items() if name in self._busy}

    async def get(self) -> str:
        """The next that is due. It is the caller's until `done`."""
        while True:
            name = await self._ready.get()
            if self._due.get(name) == 0.0 and name not in self._busy:
                del self._due[name]
                self._busy.add(name)
                return name

    def said(self, name: str) -> float:
        """When it was said that this one, which a worker has, is to be looked at, by the monotonic clock."""
        return self._said[name]

    def done(self, name: str) -> None:
        """The worker has finished with it."""
        self._busy.discard(name)
        self._forget(name)
        if name in self._again:
            self._again.discard(name)
            self.put(name)

    def _forget(self, name: str) -> None:
        if name not in self._busy and self._due.get(name) != 0.0:
            self._said.pop(name, None)

    async def run(self) -> None:
        """Brings up what has waited long enough, until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            while self._later and self._later[0][0] <= now:
                due, _, name = heapq.heappop(self._later)
                if self._due.get(name) == due:
                    del self._due[name]
                    self.put(name)
