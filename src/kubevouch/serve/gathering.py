"""An event loop that wakes less often: while one arrival follows another, those of a few milliseconds are taken together.

Each time that it wakes for a single page, whoever ran meanwhile has taken the processor's caches, and with many small pages that
costs more than to read them (docs/decisions/0013-what-a-node-scrape-costs.md). Network cards hold interrupts back for the same reason.
"""

import selectors
from collections.abc import Callable
from typing import Any, Final

GATHERING: Final = 0.005
"""Seconds. So much later, and no more, is what arrives taken, and may a timer run out."""
SUCCESSION: Final = 0.05
"""Seconds between two arrivals of which the later one is said to follow the other: what comes alone waits for nothing."""
ENOUGH: Final = 32
"""Sockets: with so many at once there is nothing to be gained."""


class GatheringSelector(selectors.DefaultSelector):
    """For an event loop that mostly reads. While it has something to write that nobody has taken, nothing is held back.

    Whoever writes reads as well: a socket that waits for nothing but to be written to is being connected, perhaps in vain.

    monotonic: the clock, in seconds. pause: stops the thread for so many seconds.
    """

    def __init__(self, monotonic: Callable[[], float], pause: Callable[[float], None]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._pause = pause
        self._arrived_at = -SUCCESSION
        self._writing: set[int] = set()

    def register(
        self,
        fileobj: Any,  # noqa: ANN401 - as selectors has it
        events: int,
        data: object = None,
    ) -> selectors.SelectorKey:
        """As of any selector."""
        return self._noted(super().register(fileobj, events, data))

    def modify(
        self,
        fileobj: Any,  # noqa: ANN401 - as selectors has it
        events: int,
        data: object = None,
    ) -> selectors.SelectorKey:
        """As of any selector."""
        return self._noted(super().modify(fileobj, events, data))

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - as selectors has it
        """As of any selector."""
        key = super().unregister(fileobj)
        self._writing.discard(key.fd)
        return key

    def _noted(self, key: selectors.SelectorKey) -> selectors.SelectorKey:
        if key.events == selectors.EVENT_READ | selectors.EVENT_WRITE:
            self._writing.add(key.fd)
        else:
            self._writing.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; what becomes ready within the next milliseconds, too, if this follows other arrivals."""
        ready = super().select(timeout)
        if not ready:
            return ready
        before, self._arrived_at = self._arrived_at, self._monotonic()
        has_time = timeout is None or timeout > 0
        follows = self._arrived_at - before < SUCCESSION
        if not (has_time and follows) or self._writing or len(ready) >= ENOUGH:
            return ready
        self._pause(GATHERING if timeout is None else min(GATHERING, timeout))
        # What was ready still is, unless its peer has taken it back.
        return super().select(0) or ready
