"""Whose turn it is: one worker at a time for each requestor, and another turn if something happened meanwhile.

Each requestor has one place in the queue and goes to its end after a turn. So everybody waits for
at most one CSR of each other credential.
"""

import asyncio
from typing import Final, Generic, TypeVar

from kubevouch.clock import Clock

K = TypeVar("K")

_TICK: Final = 0.5
"""Seconds between checks for requestors whose wait is over. Those due at once do not wait for
it."""


class DecisionQueue(Generic[K]):
    """A queue of requestors. `run` moves up those that have waited; workers call `get` and `done`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        """Each entry wakes one worker. An Event would wake them all, which costs as much as a
        decision."""
        self._later: dict[K, float] = {}
        """When each ready requestor was last queued. While a worker has it: when it was queued
        before that."""
        self._said: dict[K, float] = {}
        """When each ready requestor was last queued. For one in a worker's hands: when it was
        queued before that."""
        self._busy: set[K] = set()
        self._again: set[K] = set()

    @property
    def depth(self) -> int:
        """How many are due or being looked at."""
        return len(self._said)

    def put(self, key: K, after: float = 0.0) -> None:
        """Queues it for a look after that many seconds, or at an earlier time set before."""
        now = self._clock.monotonic()
        if after > 0:
            if key in self._busy or key not in self._said:
                self._later[key] = min(now + after, self._later.get(key, now + after))
        elif key in self._busy:
            self._again.add(key)
        else:
            self._later.pop(key, None)
            if key not in self._said:
                self._ready.put_nowait(key)
            self._said[key] = now

    async def get(self) -> K:
        """The next due requestor. The caller has it until `done`."""
        key = await self._ready.get()
        self._busy.add(key)
        return key

    def said(self, key: K) -> float:
        """When this requestor, now with a worker, was queued, by the monotonic clock."""
        return self._said[key]

    def done(self, key: K) -> None:
        """The worker has finished with it."""
        self._busy.discard(key)
        del self._said[key]
        if key in self._again:
            self._again.discard(key)
            self.put(key)

    async def run(self) -> None:
        """Moves up those that have waited long enough, until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            for key in [key for key, due in self._later.items() if due <= now]:
                del self._later[key]
                self.put(key)
