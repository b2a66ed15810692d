"""Time limits of many tasks by few timers.

asyncio.timeout begins and cancels a timer each time, which costs more than all else about it. Here those that run out
within one eighth of a second share one, and run out at its end: a little late, never early.
"""

import asyncio
import math
from types import TracebackType
from typing import Final, Self

_A_SECOND: Final = 8
"""Timers at most."""


class TimeLimits:
    """Gives time limits: `with limits.within(seconds)` raises TimeoutError as asyncio.timeout does. For one event loop."""

    def __init__(self) -> None:
        self._running: dict[int, set[_TimeLimit]] = {}

    def within(self, seconds: float) -> "_TimeLimit":
        """A limit for what the present task does in a `with` statement, which begins at once."""
        loop = asyncio.get_running_loop()
        end = math.ceil((loop.time() + seconds) * _A_SECOND)
        running = self._running.get(end)
        if running is None:
            running = self._running[end] = set()
            loop.call_at(end / _A_SECOND, self._run_out, end)
        return _TimeLimit(running)

    def _run_out(self, end: int) -> None:
        for limit in self._running.pop(end):
            limit.run_out()


class _TimeLimit:
    """What asyncio.Timeout does, without a timer of its own."""

    __slots__ = ("_cancelling", "_has_run_out", "_running", "_task")

    def __init__(self, running: "set[_TimeLimit]") -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit was asked for outside of a task")
        self._task, self._cancelling = task, task.cancelling()
        self._running = running
        self._has_run_out = False

    def __enter__(self) -> Self:
        self._running.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._running.discard(self)
        # Somebody else may have cancelled the task, too: then it is cancelled, and not late.
        if (
            self._has_run_out
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def run_out(self) -> None:
        """Ends what the task does."""
        self._has_run_out = True
        self._task.cancel()
