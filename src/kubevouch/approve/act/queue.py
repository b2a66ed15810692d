"""A queue of requestors. A requestor is never served by two workers at once.

Each requestor has one place in the queue, and goes to the end after a turn. So it waits for at most
one CSR of each other requestor. A requestor that is queued during its turn gets another turn.
"""

import asyncio
from typing import Final, Generic, TypeVar

from kubevouch.clock import Clock

K = TypeVar("K")

_TICK: Final = 0.5
"""Seconds between checks for requestors whose delay is over. Requestors without a delay do not wait
for this."""


class DecisionQueue(Generic[K]):
    """The queue of requestors. Workers call `get` and `done`; `run` queues delayed requestors."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        """Each entry wakes one worker. An Event would wake all workers, which costs as much as a
        decision."""
        self._later: dict[K, float] = {}
        """When each delayed requestor becomes due."""
        self._queued_at: dict[K, float] = {}
        """When each due requestor was last queued. If a requestor is queued again during its turn,
        its time stays until the turn ends."""
        self._busy: set[K] = set()
        self._again: set[K] = set()

    @property
    def depth(self) -> int:
        """How many requestors are due or being served."""
        return len(self._queued_at)

    def put(self, key: K, after: float = 0.0) -> None:
        """Queues a requestor after `after` seconds, unless it is already due earlier."""
        now = self._clock.monotonic()
        if after > 0:
            if key in self._busy or key not in self._queued_at:
                self._later[key] = min(now + after, self._later.get(key, now + after))
        elif key in self._busy:
            self._again.add(key)
        else:
            self._later.pop(key, None)
            if key not in self._queued_at:
                self._ready.put_nowait(key)
            self._queued_at[key] = now

    async def get(self) -> K:
        """Takes the next due requestor. No other worker gets the same requestor until `done`."""
        key = await self._ready.get()
        self._busy.add(key)
        return key

    def queued_at(self, key: K) -> float:
        """When a requestor that is being served was queued, by the monotonic clock."""
        return self._queued_at[key]

    def done(self, key: K) -> None:
        """Ends a worker's turn for this requestor."""
        self._busy.discard(key)
        del self._queued_at[key]
        if key in self._again:
            self._again.discard(key)
            self.put(key)

    async def run(self) -> None:
        """Queues delayed requestors when they are due, until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            for key in [key for key, due in self._later.items() if due <= now]:
                del self._later[key]
                self.put(key)
