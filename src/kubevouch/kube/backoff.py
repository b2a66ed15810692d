"""Exponential backoff with jitter: how long to wait after each failure in a row."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.8
"""Seconds; client-go's reflector starts with the same (tools/cache/reflector.go)."""
LONGEST: Final = 30.0
LONGEST_UNREACHED: Final = 4.0
"""Seconds between attempts while nobody answers. They load nobody, and find a returning server
soon."""


class Backoff:
    """The waits of one client. rng: returns a random number in [0, 1)."""

    def __init__(self, rng: Callable[[], float]) -> None:
        self._rng = rng
        self._failures = 0
        self._unreached = 0

    def succeeded(self) -> None:
        """Resets the wait."""
        self._failures = self._unreached = 0

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait after another failure. at_least: seconds that the server asked for, granted up to 30."""
        wait = self._spread(self._failures, LONGEST)
        self._failures += 1
        return max(wait, min(at_least, LONGEST))

    def unreached(self) -> float:
        """Seconds to wait if nobody answered. This does not lengthen the wait after a bad answer."""
        wait = self._spread(self._unreached, LONGEST_UNREACHED)
        self._unreached += 1
        return wait

    def _spread(self, failures: int, most: float) -> float:
        longest = min(most, FIRST * 2.0 ** min(failures, 16))
        # Half of the wait is fixed, half is random: many clients are spread and still slow down.
        return longest * (1 + self._rng()) / 2
