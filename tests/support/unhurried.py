"""Tests that are not hurried: on a machine that others use, anything may take many times as long as it does alone.

Whatever must not take long is measured by a test of its own, in time of the processor.
"""

import asyncio
from collections.abc import Callable

from hypothesis import settings

GENEROUS = 120.0
"""Seconds after which what a test waits for is taken for lost. Nothing takes a tenth of it where a core is free."""


LONG = "long"
"""Hypothesis' profile of the long tier."""


def unhurried() -> None:
    """Hypothesis has no deadlines from now on, whatever else the profile says (a different one is loaded where CI is set)."""
    if settings.get_current_profile_name() == LONG:
        return
    for name in ("unhurried", LONG):
        settings.register_profile(name, parent=settings(), deadline=None)
    settings.load_profile("unhurried")


def examples(many: int) -> settings:
    """So many with `--hypothesis-profile=long`, as `make real-long` has it; a quarter of them else."""
    return settings(max_examples=many if settings.get_current_profile_name() == LONG else many // 4)


async def until(true: Callable[[], object]) -> None:
    """Gives the loop turns until it is true."""
    async with asyncio.timeout(GENEROUS):
        while not true():
            await asyncio.sleep(0.005)
