"""Full garbage collections stay short, however much a process holds.

A full collection looks at everything that could be part of a cycle, and stops everything else meanwhile: with 5,000
nodes 250,000 objects, for 0.2 seconds, of which none was garbage. So what has survived one is taken out of later ones as
soon as it is much. It still goes when nothing refers to it any more.

A cycle that dies after that would stay: a connection, for one, that was open just then and breaks in the middle of its
handshake, which asyncio leaves as a cycle. A crowd of strangers could fill the memory in this way. So whenever what was taken
out has become much more, one collection looks at all of it again; but not while the process lists its cluster for the first time.
"""

import gc
from collections.abc import Mapping
from typing import Final

from kubevouch.clock import Clock

MOST_SURVIVORS: Final = 30_000
"""Objects: 30 ms of a collection that finds none of them in the processor's caches."""
MOST_MORE: Final = 45_000
"""Objects by which what is frozen may grow before all of it is looked at again; or half of it, if that is more.

In a cluster of constant size as many frozen objects die as new ones are frozen.
"""
FIRST_LISTED: Final = 60.0
"""Seconds, after which what is held has been listed, and read twice: until then it is the cluster's own size that shows."""
_FULL: Final = 2
_THRESHOLDS: Final = (5_000, 4, 1)
"""A full collection is considered after 50,000 new objects (5,000 * 5 * 2); by newer Pythons themselves after 200,000.

The youngest are looked at after 5,000: with 700, which 78 nodes read at the same moment have at once, nearly all are in use.
"""


def keep_full_collections_short(clock: Clock) -> None:
    """From now on, in this process."""
    gc.set_threshold(*_THRESHOLDS)
    if not any(isinstance(each, SurvivorFreezer) for each in gc.callbacks):
        gc.callbacks.append(SurvivorFreezer(clock))


class SurvivorFreezer:
    """Takes survivors out of later collections. Python calls it when a collection begins and when it has ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listed_at = clock.monotonic() + FIRST_LISTED
        self._looked_at = gc.get_freeze_count()
        """How many were frozen after a collection that had looked at all of them, or when all had been listed."""
        self._looks_at_all = False

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """phase, info: as Python's gc.callbacks have them."""
        if phase != "stop" or info["generation"] != _FULL:
            return
        # All of them are in use: this collection has just found that.
        if len(gc.get_objects(_FULL)) <= MOST_SURVIVORS:
            return
        gc.freeze()
        frozen = gc.get_freeze_count()
        if self._looks_at_all or self._clock.monotonic() < self._listed_at:
            self._looks_at_all, self._looked_at = False, frozen
        elif frozen > self._looked_at + max(MOST_MORE, self._looked_at // 2):
            self._looks_at_all = True
            gc.unfreeze()
