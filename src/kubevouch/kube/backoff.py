"""Exponential backoff with jitter: how long to wait after each failure in a row."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.8
"""Seconds; client-go's reflector begins with the same (tools/cache/reflector.go)."""
LONGEST: Final = 30.0


class Backoff:
    """The waits of one client. rng: returns a random number in [0, 1)."""

    def __init__(self, rng: Callable[[], float]) -> None:
        self._rng = rng
        self._failures = 0

    def succeeded(self) -> None:
        """Resets the wait."""
        self._failures = 0

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait after another failure. at_least: seconds that the server asked for, granted up to 30."""
        longest = min(LONGEST, FIRST * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # Half of the wait is fixed, half is random: many clients are spread and still slow down.
        return max(longest * (1 + self._rng()) / 2, min(at_least, LONGEST))
