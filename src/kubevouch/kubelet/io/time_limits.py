"""Time limits for many tasks with few timers.

asyncio.timeout starts and cancels a timer each time, which is its main cost. Here all limits that
end within the same eighth of a second share a timer. A limit may end a little late, never early.
"""

import asyncio
import math
from types import TracebackType
from typing import Final, NamedTuple, Self

_PER_SECOND: Final = 8
"""The maximum number of timers per second."""


class TimeLimits:
    """Time limits for one event loop: `with limits.within(seconds)` raises TimeoutError like asyncio.timeout."""

    def __init__(self) -> None:
        self._shared: dict[int, _Shared] = {}

    def within(self, seconds: float) -> "_TimeLimit":
        """A time limit for the current task, as a context manager. Enter it at once.

        The time starts with this call.
        """
        loop = asyncio.get_running_loop()
        end = math.ceil((loop.time() + seconds) * _PER_SECOND)
        shared = self._shared.get(end)
        if shared is None:
            timer = loop.call_at(end / _PER_SECOND, self._run_out, end)
            shared = self._shared[end] = _Shared(end, timer, set())
        return _TimeLimit(self, shared)

    def ended(self, shared: "_Shared") -> None:
        """Cancels a timer that no limit needs any longer."""
        shared.timer.cancel()
        self._shared.pop(shared.end, None)

    def _run_out(self, end: int) -> None:
        for limit in tuple(self._shared.pop(end).running):
            limit.run_out()


class _Shared(NamedTuple):
    """A timer and the limits that share it."""

    end: int
    timer: asyncio.TimerHandle
    running: set["_TimeLimit"]


class _TimeLimit:
    """Like asyncio.Timeout, without its own timer."""

    __slots__ = ("_cancelling", "_has_run_out", "_limited", "_limits", "_shared")

    def __init__(self, limits: TimeLimits, shared: _Shared) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a running task")
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
        # If the task was also cancelled by others, it ends as cancelled, not as timed out.
        if (
            self._has_run_out
            and self._limited.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def run_out(self) -> None:
        self._has_run_out = True
        self._limited.cancel()
