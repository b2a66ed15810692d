"""Whose turn it is, and when: each requestor by one worker at a time, and again if something happened meanwhile.

Each requestor has one place in the queue and goes to its end after a turn, so whoever asks waits for at most one CSR of each
other credential.
"""

import asyncio
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
        self._later: dict[K, float] = {}
        """When each is due that has to wait."""
        self._said: dict[K, float] = {}
        """When it was last said that each is due which is ready. Of what a worker has: when it was said before he took it."""
        self._busy: set[K] = set()
        self._again: set[K] = set()

    @property
    def depth(self) -> int:
        """How many are due, or being looked at now."""
        return len(self._said)

    def put(self, key: K, after: float = 0.0) -> None:
        """It is to be looked at in so many seconds; earlier, if that was said before."""
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
        """The next that is due. It is the caller's until `done`."""
        key = await self._ready.get()
        self._busy.add(key)
        return key

    def said(self, key: K) -> float:
        """When it was said that this one, which a worker has, is to be looked at, by the monotonic clock."""
        return self._said[key]

    def done(self, key: K) -> None:
        """The worker has finished with it."""
        self._busy.discard(key)
        del self._said[key]
        if key in self._again:
            self._again.discard(key)
            self.put(key)

    async def run(self) -> None:
        """Brings up what has waited long enough, until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            for key in [key for key, due in self._later.items() if due <= now]:
                del self._later[key]
                self.put(key)
