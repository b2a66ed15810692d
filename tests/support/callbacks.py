"""How long one callback of an event loop takes: what everybody else waits for meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from unittest.mock import patch


class Longest:
    """seconds: of this thread's processor."""

    seconds = 0.0


@contextlib.contextmanager
def longest_callback() -> Iterator[Longest]:
    """The longest callback that begins and ends within the block. Of one loop in one thread."""
    found = Longest()
    run: Callable[[asyncio.Handle], None] = vars(asyncio.Handle)["_run"]

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        try:
            run(handle)
        finally:
            found.seconds = max(found.seconds, time.thread_time() - began)

    with patch.object(asyncio.Handle, "_run", timed):
        yield found
