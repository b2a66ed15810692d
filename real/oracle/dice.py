"""Chance that falls the same way every time."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


class Dice:
    """Numbers drawn from a seed by hashing."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def bits(self, count: int) -> int:
        """A number of at most so many bits."""
        drawn = b""
        while len(drawn) * 8 < count:
            self._count += 1
            drawn += hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()
        return int.from_bytes(drawn, "big") >> (len(drawn) * 8 - count)

    def below(self, limit: int) -> int:
        """A number from 0 up to, and without, the limit."""
        return self.bits(48) % limit

    def one_in(self, count: int) -> bool:
        """True once in so many throws."""
        return self.below(count) == 0

    def of(self, things: Sequence[Thing]) -> Thing:
        """One of the things."""
        return things[self.below(len(things))]
