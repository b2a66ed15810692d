"""The ends of certificates as a calendar (RFC 5545), for import: an event an end, and an alarm before it.

An event's UID follows from what the certificate is for and where it is, so that a later import moves the event.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from kubevouch.inventory.rows import CertificateRow
from kubevouch.x509 import Certificate

_ALARM: Final = timedelta(days=30)
_SHORT_LIFE: Final = timedelta(days=180)
_PART_OF_A_SHORT_LIFE: Final = 0.08
_OCTETS: Final = 75
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def calendar_of(
    rows: Iterable[CertificateRow], at: datetime, words: Callable[[str], str] = str
) -> str:
    """Every end of what can be read. words: how a text of somebody else is shown, each on one line."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//kubevouch//certs//EN",
        "CALSCALE:GREGORIAN",
    ]
    seen: Counter[str] = Counter()
    for row in rows:
        certificate = row.found.certificate
        if certificate is not None:
            lines.extend(_event(row, certificate, at, words, seen))
    lines.append("END:VCALENDAR")
    return "".join(f"{line}\r\n" for each in lines for line in _folded(each))


def _event(
    row: CertificateRow,
    certificate: Certificate,
    at: datetime,
    words: Callable[[str], str],
    seen: Counter[str],
) -> Iterator[str]:
    found = row.found
    place = words(found.node or found.where)
    summary = _text(f"{found.use} of {place} ends")
    about = (
        f"What stops: {row.stops}",
        f"Renewed by: {row.renewed_by}",
        f"Where: {words(found.where)}, seen from: {found.vantage}",
    )
    yield "BEGIN:VEVENT"
    yield f"UID:{_uid((found.use, words(found.node), words(found.where)), seen)}"
    yield f"DTSTAMP:{_moment(at)}"
    # Grows with each inventory: an import takes the newest for what is true.
    yield f"SEQUENCE:{int(at.timestamp()) // 60}"
    yield f"DTSTART:{_moment(certificate.not_after)}"
    yield f"SUMMARY:{summary}"
    yield "DESCRIPTION:" + _text("\n".join(about))
    yield "TRANSP:TRANSPARENT"
    yield "BEGIN:VALARM"
    yield "ACTION:DISPLAY"
    yield f"TRIGGER:-{_before(certificate)}"
    yield f"DESCRIPTION:{summary}"
    yield "END:VALARM"
    yield "END:VEVENT"


def _before(certificate: Certificate) -> str:
    """30 days; of a life shorter than half a year a twelfth."""
    life = certificate.not_after - certificate.not_before
    if life >= _SHORT_LIFE:
        return f"P{_ALARM.days}D"
    return f"PT{max(1, int(life * _PART_OF_A_SHORT_LIFE / timedelta(minutes=1)))}M"


def _uid(place: Sequence[str], seen: Counter[str]) -> str:
    """The same in every inventory. Several certificates of one bundle are numbered."""
    key = "\0".join(place)
    seen[key] += 1
    digest = hashlib.sha256(f"{key}\0{seen[key]}".encode()).hexdigest()
    return f"{digest[:32]}@certs.kubevouch"


def _moment(when: datetime) -> str:
    utc = when.astimezone(UTC)
    return f"{utc.year:04}{utc:%m%dT%H%M%S}Z"


def _text(text: str) -> str:
    """A value of type TEXT (RFC 5545, 3.3.11)."""
    return text.translate(_ESCAPES)


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 octets, never inside of a character; each but the first behind a blank (3.1)."""
    piece, size = "", 0
    for sign in line:
        octets = len(sign.encode())
        if size + octets > _OCTETS:
            yield piece
            piece, size = " ", 1
        piece, size = piece + sign, size + octets
    yield piece
