"""Answers kept for a while: bounded in number and age, each question asked once at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kubevouch.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Question(Generic[V]):
    """One that is being asked, and how many wait for its answer."""

    def __init__(self, task: asyncio.Task[V]) -> None:
        self.task = task
        self.waiting = 0


class AnswerCache(Generic[K, V]):
    """`async get(key, ask)`. Errors are not kept, and everybody who waited for one gets it.

    seconds: how long an answer is good. most: answers kept; the one asked for longest ago goes first.
    at_once: questions that are asked at the same time; the others wait.
    """

    def __init__(self, clock: Clock, *, seconds: float, most: int, at_once: int = 32) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asking: dict[K, _Question[V]] = {}
        self._turn = asyncio.Semaphore(at_once)

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, kept or fresh."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        question = self._asking.get(key)
        if question is None:
            task = asyncio.get_running_loop().create_task(self._ask(key, ask))
            question = self._asking[key] = _Question(task)
            task.add_done_callback(lambda _: self._forget(key, question))
        question.waiting += 1
        try:
            # Somebody who leaves does not take the answer from those who wait with him.
            return await asyncio.shield(question.task)
        finally:
            question.waiting -= 1
            if not question.waiting and not question.task.done():
                # The last one left: whoever asks much and leaves would make a queue without an end.
                self._forget(key, question)
                question.task.cancel()

    def _forget(self, key: K, question: "_Question[V]") -> None:
        if self._asking.get(key) is question:
            del self._asking[key]
        if question.task.done() and not question.task.cancelled():
            # Looked at, so that an error for which nobody waits any more is no complaint of the event loop's.
            question.task.exception()

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        async with self._turn:
            answer = await ask()
        self._kept[key] = (self._clock.monotonic() + self._seconds, answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return answer
