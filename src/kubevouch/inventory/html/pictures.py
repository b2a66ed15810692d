"""The pictures: a timeline with more room for near dates, and the certificates that each CA signed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import log1p, log10
from typing import Final, NamedTuple

from kubevouch.evidence.certificates import signing_roots
from kubevouch.inventory.fleet import signed_by, state_word
from kubevouch.inventory.html.page import Box, Chain, Dot, Lane, Tick, Timeline
from kubevouch.inventory.kubeadm_tables import expires_text
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import CertificateRow, Concern, Limits
from kubevouch.x509 import duration_text

TONES: Final = {Concern.FAIL: "bad", Concern.WARN: "warn", Concern.NONE: ""}
MOST_CHAINS: Final = 12

_DAY: Final = timedelta(days=1)
_LINEAR_DAYS: Final = 14.0
"""The first days are drawn roughly to scale. After that, each doubling of the time takes the same width."""
_TICKS: Final = (
    (-365, "-1y"), (-30, "-30d"), (0, "now"), (30, "30d"), (90, "90d"),
    (365, "1y"), (1095, "3y"), (3650, "10y"), (36500, "100y"),
)  # fmt: skip
_LANE: Final = 48
_HEAD: Final = 24
_LEFT: Final = 3.0
_RIGHT: Final = 95.0
_ROW: Final = 44
_STEP: Final = 54
_LONGEST: Final = 36
_SEVERITY: Final = (Concern.FAIL, Concern.WARN, Concern.NONE)


class _Scale:
    """Maps days from now to a position in percent of the width."""

    def __init__(self, first: float, last: float) -> None:
        self._first, self._last = first, last
        self._begin, self._size = _bent(first), _bent(last) - _bent(first)

    def __call__(self, days: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (_bent(days) - self._begin) / self._size, 1)

    def ticks(self) -> Iterator[Tick]:
        """Yields dates between the first and the last expiry. Labels that would overlap on a narrow screen are empty."""
        last = -100.0
        for days, word in _TICKS:
            if not self._first <= days <= self._last:
                continue
            at = self(days)
            is_shown = at - last > 9 or not days
            last = at if is_shown else last
            yield Tick(at, "grid" if days else "now", word if is_shown else "")


def _bent(days: float) -> float:
    return log1p(abs(days) / _LINEAR_DAYS) * (1 if days >= 0 else -1)


def timeline(rows: Sequence[CertificateRow], limits: Limits) -> Timeline | None:
    """Draws a lane for each use, with one larger dot for certificates that expire together. Returns None if there are no certificates."""
    ends: dict[str, list[tuple[CertificateRow, float]]] = {}
    for row in rows:
        if row.remaining is not None:
            ends.setdefault(row.found.use, []).append((row, row.remaining / _DAY))
    days = [each for same in ends.values() for _, each in same]
    if not days:
        return None
    scale = _Scale(min(0.0, *days), max(30.0, *days))
    lanes = []
    for number, (use, same) in enumerate(ends.items()):
        dots = Counter(
            (scale(left), TONES[limits.concern(row)], state_word(row, limits)) for row, left in same
        )
        lanes.append(
            Lane(
                use,
                f" ({len(same)})" if len(same) > 1 else "",
                _HEAD + _LANE * number,
                [
                    Dot(at, tone, round(5 + 2 * log10(count), 1), f"{count} {word}")
                    for (at, tone, word), count in dots.items()
                ],
            )
        )
    label = f"When {len(days)} certificates expire"
    return Timeline(label, _HEAD + _LANE * len(lanes), list(scale.ticks()), lanes)


class _Authority(NamedTuple):
    """The name of a CA. own: the row of the CA's own certificate, or None."""

    name: str
    own: CertificateRow | None


def chains(rows: Sequence[CertificateRow], limits: Limits) -> list[Chain]:
    """A picture for each CA. The CA that signed the most certificates comes first."""
    # Each control plane's disk has the same CA: the first row represents it.
    authorities = {
        each.found.certificate: each
        for each in reversed(rows)
        if PURPOSES[each.found.use].is_ca and each.found.certificate
    }
    signed: dict[_Authority, dict[str, list[CertificateRow]]] = {}
    for row in rows:
        leaf = row.found.certificate
        if leaf is None or PURPOSES[row.found.use].is_ca:
            continue
        roots = signing_roots(leaf, row.found.chain[1:], authorities)
        last = max(roots, key=lambda each: each.not_after, default=None)
        authority = _Authority(signed_by(row), authorities[last] if last else None)
        signed.setdefault(authority, {}).setdefault(row.found.use, []).append(row)
    largest = sorted(signed.items(), key=lambda item: -sum(map(len, item[1].values())))
    return [_chain(authority, uses, limits) for authority, uses in largest]


def _chain(authority: _Authority, uses: dict[str, list[CertificateRow]], limits: Limits) -> Chain:
    own, name = authority.own, authority.name
    if name == "itself":
        title, about = "no CA", "each is self-signed"
    elif own is not None and own.found.certificate is not None:
        title, about = name, f"until {expires_text(own.found.certificate.not_after)}"
    else:
        title, about = name or "unknown", "its own certificate was not read"
    tone = TONES[limits.concern(own)] if own else ""
    boxes = [_box(title, about, f"ca {tone}".strip(), 0, left=1, width="99%")]
    for number, (use, rows) in enumerate(uses.items(), 1):
        worst = min((limits.concern(row) for row in rows), key=_SEVERITY.index)
        count = f" x {len(rows)}" if len(rows) > 1 else ""
        boxes.append(
            _box(f"{use}{count}", _ends(rows), TONES[worst], _STEP * number, left=28, width="90%")
        )
    return Chain(f"Certificates signed by {title}", _ROW + _STEP * len(uses) + 2, boxes)


def _box(title: str, about: str, kind: str, top: int, *, left: int, width: str) -> Box:
    short = title if len(title) <= _LONGEST else title[: _LONGEST - 1] + "…"
    return Box(title, short, about, kind, top, left, width)


def _ends(rows: Sequence[CertificateRow]) -> str:
    left = min((row.remaining for row in rows if row.remaining is not None), default=timedelta())
    which = "the first ends" if len(rows) > 1 else "ends"
    if left < timedelta():
        return f"{which.replace('ends', 'ended')} {duration_text(-left)} ago"
    return f"{which} in {duration_text(left)}"
