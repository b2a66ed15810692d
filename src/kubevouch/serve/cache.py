"""Caches answers of the API server, with limits on their number and age.

Callers that wait for the same answer share one call.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kubevouch.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _PendingAnswer(Generic[V]):
    """A running call, and the number of callers that wait for it."""

    def __init__(self, task: asyncio.Task[V]) -> None:
        self.task = task
        self.waiting = 0


class AnswerCache(Generic[K, V]):
    """A cache in front of an asynchronous call.

    An error is not cached, but every caller that waits for the call gets it.

    ttl: how many seconds an answer is valid, or a function that returns this for an answer.
    max_entries: the maximum number of cached answers; the least recently used one is evicted.
    concurrency: the maximum number of concurrent calls. Half are reserved for callers with priority
    (`first`).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ttl: float | Callable[[V], float],
        max_entries: int,
        concurrency: int = 32,
    ) -> None:
        self._clock = clock
        self._ttl = ttl if callable(ttl) else lambda _: ttl
        self._max_entries = max_entries
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._pending: dict[tuple[K, bool], _PendingAnswer[V]] = {}
        """Running calls by key and priority. A caller with priority does not wait for a call without priority."""
        self._turn = asyncio.Semaphore(concurrency)
        self._turn_of_others = asyncio.Semaphore(max(1, concurrency // 2))

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: K, fetch: Callable[[], Awaitable[V]], *, first: bool = False) -> V:
        """The cached answer for a key, or a new one from `fetch`. Raises what `fetch` raises.

        first: whether the caller has priority. Callers without priority together use at most half
        of the concurrent-call limit.
        """
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        pending = self._pending.get((key, True)) or self._pending.get((key, first))
        if pending is None:
            task = asyncio.get_running_loop().create_task(self._fetch(key, fetch, first=first))
            pending = self._pending[key, first] = _PendingAnswer(task)
            task.add_done_callback(lambda _: self._forget((key, first), pending))
        pending.waiting += 1
        try:
            # A cancelled caller does not cancel the call for the others.
            return await asyncio.shield(pending.task)
        finally:
            pending.waiting -= 1
            if not pending.waiting and not pending.task.done():
                # No caller is left: a client that sends requests and disconnects must not build
                # an endless queue.
                self._forget((key, first), pending)
                pending.task.cancel()

    def _forget(self, key: tuple[K, bool], pending: "_PendingAnswer[V]") -> None:
        if self._pending.get(key) is pending:
            del self._pending[key]
        if pending.task.done() and not pending.task.cancelled():
            # Retrieved, so that the event loop does not log an error that nobody awaits.
            pending.task.exception()

    async def ask(self, fetch: Callable[[], Awaitable[V]], *, first: bool) -> V:
        """Calls `fetch` within the concurrency limit, without caching. Raises what `fetch` raises."""
        async with contextlib.AsyncExitStack() as turns:
            if not first:
                await turns.enter_async_context(self._turn_of_others)
            await turns.enter_async_context(self._turn)
            return await fetch()

    async def _fetch(self, key: K, fetch: Callable[[], Awaitable[V]], *, first: bool) -> V:
        answer = await self.ask(fetch, first=first)
        self._kept[key] = (self._clock.monotonic() + self._ttl(answer), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._max_entries:
            self._kept.popitem(last=False)
        return answer
