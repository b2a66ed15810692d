"""Whoever asks much waits for a turn: so many requests are begun in one round of the event loop, in the order in which they came.

A thousand that are there at once would otherwise all be begun in the same round, and nobody else, neither a scrape nor an
API server, would go on before the last of them.
"""

import asyncio
from collections import deque


class Turns:
    """a_round: requests that may begin in one round of the event loop."""

    def __init__(self, a_round: int) -> None:
        self._a_round = self._left = a_round
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ends: asyncio.Handle | None = None

    async def take(self) -> None:
        """Returns when it is the caller's turn: mostly at once."""
        loop = asyncio.get_running_loop()
        if self._ends is None:
            self._ends = loop.call_soon(self._next_round)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_round(self) -> None:
        self._ends = None
        self._left = self._a_round
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            # Its caller may have been cancelled.
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < self._a_round or self._waiting:
            self._ends = asyncio.get_running_loop().call_soon(self._next_round)
