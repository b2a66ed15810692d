"""How long to wait after a failure, and the next one: doubled each time, never the same for two clients."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.8
"""Seconds; client-go's reflector begins with the same (tools/cache/reflector.go)."""
LONGEST: Final = 30.0


class Backoff:
    """chance: a random number from 0 up to 1."""

    def __init__(self, rng: Callable[[], float]) -> None:
        self._rng = rng
        self._failures = 0

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait now. at_least: what the server asked for; at most 30 seconds of it are granted."""
        longest = min(LONGEST, FIRST * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # Half of it is certain, so that a crowd of clients is spread and still slows down.
        return max(longest * (1 + self._rng()) / 2, min(at_least, LONGEST))
