"""One timer for all nodes with the same scrape time."""

import asyncio
import math
from typing import Final

from kubevouch.clock import Clock

_PER_SECOND: Final = 1000


class WakeUps:
    """Uses one timer for all tasks that sleep until the same millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}
        self._timers: set[asyncio.Task[None]] = set()

    async def at(self, moment: float) -> None:
        """Sleeps until this time of the monotonic clock, or up to a millisecond longer.

        A busy event loop may wake the caller even later.
        """
        loop, millisecond = asyncio.get_running_loop(), math.ceil(moment * _PER_SECOND)
        sleepers = self._sleepers.get(millisecond)
        if sleepers is None:
            sleepers = self._sleepers[millisecond] = []
            timer = loop.create_task(self._wake(millisecond), name="the next scrape time")
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)
        woken = loop.create_future()
        sleepers.append(woken)
        await woken

    async def close(self) -> None:
        """Ends all timers and wakes all remaining sleepers."""
        timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        await asyncio.gather(*timers, return_exceptions=True)

    async def _wake(self, millisecond: int) -> None:
        failed: Exception | None = None
        try:
            await self._clock.sleep(millisecond / _PER_SECOND - self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - an error for everybody who sleeps
            failed = error
        finally:
            for woken in self._sleepers.pop(millisecond):
                if woken.done():
                    continue
                if failed is None:
                    woken.set_result(None)
                else:
                    woken.set_exception(failed)
