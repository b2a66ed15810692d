"""Per-node series in Prometheus' text format (version 0.0.4).

prometheus_client keeps a value with a lock for each bucket, and writes a page in one piece. With
5,000 nodes that is 40 MB, and blocks everything else for half a second. Here a node costs some 300
bytes, and pages come in pieces.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

AT_ONCE: Final = 200
"""Nodes whose series are written before everybody else has a turn."""
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Distribution:
    """A histogram: how many values there are up to each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = array("Q", bytes(8 * (len(bounds) + 1)))
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_each(self, values: Sequence[float]) -> None:
        """Counts these values."""
        counts, bounds = self._counts, self._bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sum += sum(values)

    def lines(self, name: str, labels: str = "") -> str:
        """Its series. labels: from `label`, or ""."""
        before, count = f"{labels}," if labels else "", 0
        found = []
        for bound, here in zip(_numbers(self._bounds), self._counts, strict=True):
            count += here
            found.append(f'{name}_bucket{{{before}le="{bound}"}} {count}\n')
        own = f"{{{labels}}}" if labels else ""
        found.append(f"{name}_sum{own} {self._sum!r}\n{name}_count{own} {count}\n")
        return "".join(found)


@lru_cache(maxsize=16)
def _numbers(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The bounds as text, with the last one above all others."""
    return (*(repr(bound).removesuffix(".0") for bound in bounds), "+Inf")


def label(name: str, value: str) -> str:
    """A label and its value for between the braces."""
    return f'{name}="{value.translate(_ESCAPES)}"'


def heading(name: str, kind: str, text: str) -> str:
    """The lines above a family."""
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def in_pieces(head: str, lines: Iterable[str]) -> Iterator[str]:
    """A family in pieces: its heading with the first nodes' lines, then the next ones'."""
    left = iter(lines)
    yield head + "".join(islice(left, AT_ONCE))
    while piece := "".join(islice(left, AT_ONCE)):
        yield piece
