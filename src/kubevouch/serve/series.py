"""Per-node series in Prometheus' text format (version 0.0.4).

prometheus_client stores an object with a lock for each bucket, and renders a page in one piece.
With 5,000 nodes this takes 40 MB and blocks the event loop for half a second. Here a node needs
about 300 bytes, and a page is rendered in pieces.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

AT_ONCE: Final = 200
"""The number of nodes whose series are rendered before other tasks may run."""
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Distribution:
    """A histogram: the number of values per bucket, and their sum."""

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
        """Counts several values."""
        counts, bounds = self._counts, self._bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sum += sum(values)

    def lines(self, name: str, labels: str = "") -> str:
        """The lines of the histogram. labels: formatted by `label`, or ""."""
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
    """The upper bounds as text, with +Inf as the last one."""
    return (*(repr(bound).removesuffix(".0") for bound in bounds), "+Inf")


def label(name: str, value: str) -> str:
    """A label and its value, as they appear between the braces."""
    return f'{name}="{value.translate(_ESCAPES)}"'


def heading(name: str, kind: str, text: str) -> str:
    """The HELP and TYPE lines of a metric family."""
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def in_pieces(head: str, lines: Iterable[str]) -> Iterator[str]:
    """A metric family in pieces: the heading with the first lines, then the other lines."""
    left = iter(lines)
    yield head + "".join(islice(left, AT_ONCE))
    while piece := "".join(islice(left, AT_ONCE)):
        yield piece
