"""The end of tasks, whatever they make of being cancelled."""

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN = 1.0
"""Seconds until one that has not ended is cancelled once more."""


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancels them until all have ended; what they end with is nobody's business any more.

    One cancellation can get lost: in a request that times out in the same moment it comes out as a TimeoutError, and a loop
    that tries again goes on for ever.
    """
    left = set(tasks)
    while left:
        for each in left:
            each.cancel()
        done, left = await asyncio.wait(left, timeout=_AGAIN)
        await asyncio.gather(*done, return_exceptions=True)
