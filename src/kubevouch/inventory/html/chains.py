"""The chain pictures: for each authority what it has signed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from kubevouch.inventory.fleet import signed_by
from kubevouch.inventory.html.page import Writer
from kubevouch.inventory.html.timeline import TONES
from kubevouch.inventory.kubeadm_tables import expires_text
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import CertificateRow
from kubevouch.x509 import duration_text

_ROW: Final = 44
_STEP: Final = 54
_LONGEST: Final = 36
_SEVERITY: Final = (Concern.FAIL, Concern.WARN, Concern.NONE)
_MOST: Final = 12


def chains(rows: Sequence[CertificateRow], limits: Limits, write: Writer) -> str:
    """A picture for each authority, the one that has signed most before the others."""
    authorities = [row for row in rows if PURPOSES[row.found.use].is_ca and row.found.certificate]
    by_subject = {
        str(row.found.certificate.subject): row for row in authorities if row.found.certificate
    }
    signed: dict[str, dict[str, list[CertificateRow]]] = {}
    for row in rows:
        certificate = row.found.certificate
        if certificate is None or PURPOSES[row.found.use].is_ca:
            continue
        authority = signed_by(row)
        signed.setdefault(authority, {}).setdefault(row.found.use, []).append(row)
    largest = sorted(signed.items(), key=lambda item: -sum(map(len, item[1].values())))
    pictures = []
    for authority, uses in largest[:_MOST]:
        own = by_subject.get(authority) or next(
            (row for row in authorities if row.found.use == authority), None
        )
        pictures.append(_picture(authority, own, uses, limits, write))
    more = len(largest) - _MOST
    if more > 0:
        pictures.append(f'<p class="soft">and {more} more authorities</p>')
    return f'<div class="chains">{"".join(pictures)}</div>' if pictures else ""


def _picture(
    authority: str,
    own: CertificateRow | None,
    uses: dict[str, list[CertificateRow]],
    limits: Limits,
    write: Writer,
) -> str:
    height = _ROW + _STEP * len(uses) + 2
    if authority == "itself":
        title, about = "no authority", "each has signed itself"
    elif own is not None and own.found.certificate is not None:
        title, about = authority, f"until {expires_text(own.found.certificate.not_after)}"
    else:
        title, about = authority or "not known", "its own certificate was not seen"
    tone = TONES[limits.concern(own)] if own else ""
    drawn = [_box(0, "99%", title, about, kind=f"ca {tone}", write=write)]
    for number, (use, rows) in enumerate(uses.items(), 1):
        top = _STEP * number
        middle = top + _ROW // 2
        drawn.append(f'<path d="M12 {_ROW} V{middle} H28"/>')
        worst = min((limits.concern(row) for row in rows), key=_SEVERITY.index)
        count = f" x {len(rows)}" if len(rows) > 1 else ""
        drawn.append(
            _box(top, "90%", f"{use}{count}", _ends(rows), kind=TONES[worst], write=write, left=28)
        )
    label = f"{write.text(title)} and what it has signed"
    return f'<svg role="img" aria-label="{label}" height="{height}">{"".join(drawn)}</svg>'


def _ends(rows: Sequence[CertificateRow]) -> str:
    left = min((row.remaining for row in rows if row.remaining is not None), default=timedelta())
    which = "the first ends" if len(rows) > 1 else "ends"
    if left < timedelta():
        return f"{which.replace('ends', 'ended')} {duration_text(-left)} ago"
    return f"{which} in {duration_text(left)}"


def _box(
    top: int, width: str, title: str, about: str, *, kind: str, write: Writer, left: int = 1
) -> str:
    shown = write.words(title)
    short = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return (
        f"<g><title>{write.text(title)}</title>"
        f'<rect class="{kind.strip()}" x="{left}" y="{top + 1}" width="{width}" height="{_ROW - 1}" rx="6"/>'
        f'<text x="{left + 12}" y="{top + 19}">{Writer().text(short)}</text>'
        f'<text class="soft" x="{left + 12}" y="{top + 36}">{write.text(about)}</text></g>'
    )
