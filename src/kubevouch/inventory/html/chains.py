"""The chain pictures: for each authority what it has signed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from kubevouch.evidence.authority import signing_roots
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


class _Authority(NamedTuple):
    """Who has signed, by name. own: the row of its own certificate. is_seen: there is one of this name that has not signed."""

    name: str
    own: CertificateRow | None
    is_seen: bool = False


def chains(rows: Sequence[CertificateRow], limits: Limits, write: Writer) -> str:
    """A picture for each authority, the one that has signed most before the others."""
    authorities = [row for row in rows if PURPOSES[row.found.use].is_ca and row.found.certificate]
    signed: dict[_Authority, dict[str, list[CertificateRow]]] = {}
    for row in rows:
        if row.found.certificate is None or PURPOSES[row.found.use].is_ca:
            continue
        authority = _authority(row, authorities)
        signed.setdefault(authority, {}).setdefault(row.found.use, []).append(row)
    largest = sorted(signed.items(), key=lambda item: -sum(map(len, item[1].values())))
    pictures = [_picture(authority, uses, limits, write) for authority, uses in largest[:_MOST]]
    more = len(largest) - _MOST
    if more > 0:
        pictures.append(f'<p class="soft">and {more} more authorities</p>')
    return f'<div class="chains">{"".join(pictures)}</div>' if pictures else ""


def _authority(row: CertificateRow, authorities: Sequence[CertificateRow]) -> _Authority:
    """Who has signed it. Whom it only names as its issuer may be seen here, and yet have signed nothing of it."""
    name, leaf = signed_by(row), row.found.certificate
    if row.found.authority:
        seen = [each for each in authorities if each.found.use == name]
    else:
        seen = [each for each in authorities if leaf and _subject(each) == leaf.raw.issuer]
    by_root = {
        each.found.certificate: each for each in reversed(seen) if each.found.certificate
    }  # on the disk of each control plane lies the same one
    if row.found.authority and len(by_root) == 1:
        return _Authority(name, seen[0])  # whose signature was verified
    roots = signing_roots(leaf, row.found.chain[1:], by_root) if leaf and by_root else ()
    if not roots:
        return _Authority(name, None, is_seen=bool(seen) and not row.found.authority)
    return _Authority(name, by_root[max(roots, key=lambda each: each.not_after)])


def _subject(authority: CertificateRow) -> bytes:
    certificate = authority.found.certificate
    return certificate.raw.subject if certificate else b""


def _picture(
    authority: _Authority,
    uses: dict[str, list[CertificateRow]],
    limits: Limits,
    write: Writer,
) -> str:
    height = _ROW + _STEP * len(uses) + 2
    own, name = authority.own, authority.name
    if name == "itself":
        title, about = "no authority", "each has signed itself"
    elif own is not None and own.found.certificate is not None:
        title, about = name, f"until {expires_text(own.found.certificate.not_after)}"
    elif authority.is_seen:
        title, about = name, "another authority of this name, not verified"
    else:
        title, about = name or "not known", "its own certificate was not seen"
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
