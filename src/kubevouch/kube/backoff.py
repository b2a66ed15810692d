"""Exponential backoff with jitter: how long to wait after consecutive failures."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.8
"""The first wait in seconds, as in client-go's reflector (tools/cache/reflector.go)."""
LONGEST: Final = 30.0
LONGEST_UNREACHED: Final = 4.0
"""The longest wait in seconds while no server responds. It is short, since an attempt that fails to
connect puts no load on a server."""


class Backoff:
    """Computes how long a client waits between retries. rng: returns a random number in [0, 1)."""

    def __init__(self, rng: Callable[[], float]) -> None:
        self._rng = rng
        self._failures = 0
        self._unreached = 0

    def succeeded(self) -> None:
        """Resets the waits after a success."""
        self._failures = self._unreached = 0

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait after another failure.

        at_least: the server's Retry-After in seconds, honoured up to 30 seconds.
        """
        wait = self._spread(self._failures, LONGEST)
        self._failures += 1
        return max(wait, min(at_least, LONGEST))

    def unreached(self) -> float:
        """Seconds to wait if no server responded. Does not lengthen later waits of `failed`."""
        wait = self._spread(self._unreached, LONGEST_UNREACHED)
        self._unreached += 1
        return wait

    def _spread(self, failures: int, most: float) -> float:
        longest = min(most, FIRST * 2.0 ** min(failures, 16))
        # Half of the wait is random, so that many clients do not retry at the same time.
        return longest * (1 + self._rng()) / 2
