"""The time-line: what ends when, a lane a use. Near ends have more room than far ones."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from math import log1p, log10
from typing import Final

from kubevouch.inventory.fleet import state_word
from kubevouch.inventory.html.page import Writer
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.rows import CertificateRow

TONES: Final = {Concern.FAIL: "bad", Concern.WARN: "warn", Concern.NONE: ""}

_DAY: Final = timedelta(days=1)
_NEAR: Final = 14.0
"""Days that look about as long as they are; beyond, twice as far is one step more."""
_TICKS: Final = (
    (-365, "-1y"), (-30, "-30d"), (0, "now"), (30, "30d"), (90, "90d"),
    (365, "1y"), (1095, "3y"), (3650, "10y"), (36500, "100y"),
)  # fmt: skip
_LANE: Final = 48
_HEAD: Final = 24
_LEFT: Final = 3.0
_RIGHT: Final = 95.0


def timeline(rows: Sequence[CertificateRow], limits: Limits, write: Writer) -> str:
    """An SVG as wide as its place, in percent; its letters keep their size."""
    lanes: dict[str, list[CertificateRow]] = {}
    for row in rows:
        if row.remaining is not None:
            lanes.setdefault(row.found.use, []).append(row)
    if not lanes:
        return '<p class="soft">Nothing was read that has an end.</p>'
    days = [
        row.remaining / _DAY for same in lanes.values() for row in same if row.remaining is not None
    ]
    scale = _Scale(min(0.0, *days), max(30.0, *days))
    height = _HEAD + _LANE * len(lanes)
    drawn = [*_grid(scale, height)]
    for number, (use, same) in enumerate(lanes.items()):
        top = _HEAD + _LANE * number
        drawn.extend(_lane(use, same, top, scale=scale, limits=limits, write=write))
    label = (
        f"When {sum(map(len, lanes.values()))} certificates end; the tables below have every date."
    )
    return f'<svg role="img" aria-label="{label}" height="{height}">{"".join(drawn)}</svg>'


class _Scale:
    """From days to a place in percent of the width."""

    def __init__(self, first: float, last: float) -> None:
        self._first, self._last = first, last
        begin, end = _bent(first), _bent(last)
        self._begin, self._size = begin, end - begin

    def __call__(self, days: float) -> float:
        """The place of that many days from now."""
        return round(_LEFT + (_RIGHT - _LEFT) * (_bent(days) - self._begin) / self._size, 1)

    def shows(self, days: float) -> bool:
        """Whether that lies between the first and the last end."""
        return self._first <= days <= self._last


def _bent(days: float) -> float:
    return log1p(abs(days) / _NEAR) * (1 if days >= 0 else -1)


def _grid(scale: _Scale, height: int) -> list[str]:
    drawn, last = [], -100.0
    for days, word in _TICKS:
        if not scale.shows(days):
            continue
        at, kind = scale(days), "grid" if days else "now"
        drawn.append(f'<line class="{kind}" x1="{at}%" x2="{at}%" y1="18" y2="{height}"/>')
        # On a narrow screen words would run into one another.
        if at - last > 9 or not days:
            drawn.append(f'<text class="soft" x="{at}%" y="12" text-anchor="middle">{word}</text>')
            last = at
    return drawn


def _lane(
    use: str,
    rows: Sequence[CertificateRow],
    top: int,
    *,
    scale: _Scale,
    limits: Limits,
    write: Writer,
) -> list[str]:
    """The name of the use above its ends. Ends at one place are one dot, the larger the more."""
    count = f" ({len(rows)})" if len(rows) > 1 else ""
    middle = top + 27
    drawn = [
        f'<text class="lane" x="0" y="{top + 16}">{write.text(use)}<tspan class="soft">{count}</tspan></text>',
        f'<line class="grid" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>',
    ]
    dots: Counter[tuple[float, str, str]] = Counter()
    for row in rows:
        assert row.remaining is not None
        tone = TONES[limits.concern(row)]
        dots[scale(row.remaining / _DAY), tone, state_word(row, limits)] += 1
    for (at, tone, word), number in dots.items():
        radius = round(5 + 2 * log10(number), 1)
        drawn.append(
            f'<circle class="{tone}" cx="{at}%" cy="{middle}" r="{radius}"><title>{number} {word}</title></circle>'
        )
    return drawn
