"""The two kinds of time in a certificate, read as Go reads them.

Sources: ReadASN1UTCTime and ReadASN1GeneralizedTime in golang.org/x/crypto/cryptobyte/asn1.go.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed

_NO_SUCH_DATE = "a time outside of the years 1 to 9999"
_UTC = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))")
_GENERALIZED = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:Z|([+-])(\d\d)(\d\d))")


class Asn1Time(NamedTuple):
    """A time in a certificate, and its text as Go prints it (with the offset that it was written with)."""

    at: datetime
    text: str


def read_time(reader: der.Reader) -> Asn1Time:
    """The next UTCTime or GeneralizedTime. Raises Malformed with Go's text."""
    utc = reader.peek(der.UTC_TIME)
    if not utc and not reader.peek(der.GENERALIZED_TIME):
        raise Malformed("x509: unsupported time format")
    problem = f"x509: malformed {'UTCTime' if utc else 'GeneralizedTime'}"
    found = (_UTC if utc else _GENERALIZED).fullmatch(reader.any(problem).body)
    if found is None:
        raise Malformed(problem)
    year, month, day, hour, minute, second = (int(part or b"0") for part in found.groups()[:6])
    if utc:
        year += 1900 if year >= 50 else 2000
    if year == 0:
        raise Malformed(_NO_SUCH_DATE)
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset, zone = _offset(found[7], found[8], found[9])
        return Asn1Time(local - offset, f"{local.replace(tzinfo=None).isoformat()}{zone}")
    except OverflowError:
        raise Malformed(_NO_SUCH_DATE) from None
    except ValueError:
        raise Malformed(problem) from None


def _offset(sign: bytes | None, hours: bytes, minutes: bytes) -> tuple[timedelta, str]:
    if sign is None:
        return timedelta(), "Z"
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if not offset or int(hours) > 24 or int(minutes) > 59:  # zero must be written as Z
        raise ValueError
    zone = f"{sign.decode()}{hours.decode()}:{minutes.decode()}"
    return (-offset if sign == b"-" else offset), zone
