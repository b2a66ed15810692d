"""Time limits of many tasks by few timers.

asyncio.timeout begins and cancels a timer each time, which costs more than all else about it. Here those that run out
within one eighth of a second share one, and run out at its end: a little late, never early.
"""

import asyncio
import math
from types import TracebackType
from typing import Final, NamedTuple, Self

_A_SECOND: Final = 8
"""Timers at most."""


class TimeLimits:
    """Gives time limits: `with limits.within(seconds)` raises TimeoutError as asyncio.timeout does. For one event loop."""

    def __init__(self) -> None:
        self._shared: dict[int, _Shared] = {}

    def within(self, seconds: float) -> "_TimeLimit":
        """A limit for what the present task does in a `with` statement, which begins at once."""
        loop = asyncio.get_running_loop()
        end = math.ceil((loop.time() + seconds) * _A_SECOND)
        shared = self._shared.get(end)
        if shared is None:
            timer = loop.call_at(end / _A_SECOND, self._run_out, end)
            shared = self._shared[end] = _Shared(end, timer, set())
        return _TimeLimit(self, shared)

    def ended(self, shared: "_Shared") -> None:
        """Nobody needs this timer any more."""
        shared.timer.cancel()
        self._shared.pop(shared.end, None)

    def _run_out(self, end: int) -> None:
        for limit in tuple(self._shared.pop(end).running):
            limit.run_out()


class _Shared(NamedTuple):
    """A timer, and the limits that it is for."""

    end: int
    timer: asyncio.TimerHandle
    running: set["_TimeLimit"]


class _TimeLimit:
    """What asyncio.Timeout does, without a timer of its own."""

    __slots__ = ("_cancelling", "_has_run_out", "_limited", "_limits", "_shared")

    def __init__(self, limits: TimeLimits, shared: _Shared) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit was asked for outside of a task")
        self._limited, self._cancelling = task, task.cancelling()
        self._limits, self._shared = limits, shared
        self._has_run_out = False

    def __enter__(self) -> Self:
        self._shared.running.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        running = self._shared.running
        running.discard(self)
        if not running and not self._has_run_out:
            self._limits.ended(self._shared)
        # Somebody else may have cancelled the task, too: then it is cancelled, and not late.
        if (
            self._has_run_out
            and self._limited.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def run_out(self) -> None:
        """Ends what the task does."""
        self._has_run_out = True
        self._limited.cancel()
