"""What is not watched is read every five minutes, counted from one begin to the next."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from kubevouch.inventory.act.other_certificates import EVERY, OtherCertificates
from kubevouch.kube.backoff import Backoff
from tests.support.clocks import SteppedClock

DAY = 86400.0


async def test_after_a_leap_of_the_clock_the_next_read_begins_at_once() -> None:
    clock, began = SteppedClock(), list[float]()

    class Reads(OtherCertificates):
        async def _read(self) -> None:
            began.append(clock.monotonic())

    api: Any = SimpleNamespace(server_clock=clock)
    found = Reads(api, tuple, began.extend, 1.0, Backoff(lambda: 0.0), began.extend, began.extend)  # type: ignore[arg-type]
    task = asyncio.create_task(found.run())
    await clock.wind(timedelta(seconds=3 * EVERY + 1))
    await clock.pass_(DAY)
    await clock.wind(timedelta(0))
    assert began == [0, EVERY, 2 * EVERY, 3 * EVERY, 3 * EVERY + 1 + DAY]
    task.cancel()
