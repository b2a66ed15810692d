"""Ages as Go prints them: apimachinery's pkg/util/duration/duration.go, HumanDuration."""

from datetime import UTC, datetime

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400
YEAR = 365 * DAY
UNKNOWN = "<unknown>"
# Below how many seconds which units: the second one only if it is not zero.
_UNITS: tuple[tuple[int, int, str, int, str], ...] = (
    (2 * MINUTE, SECOND, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", SECOND, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)


def human_duration(seconds: float) -> str:
    """`98s`, `2m50s`, `3h5m`, `7d4h`, `2y12d`: two or three figures; `<invalid>` below -1 second."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole == -1 else "<invalid>"
    for below, unit, letter, smaller, smaller_letter in _UNITS:
        if whole < below:
            rest = whole % unit // smaller if smaller else 0
            return f"{whole // unit}{letter}" + (f"{rest}{smaller_letter}" if rest else "")
    return f"{whole // YEAR}y"


def moment(text: object) -> datetime | None:
    """A metav1.Time or MicroTime (RFC 3339); None for absent, null and what is neither."""
    if not isinstance(text, str) or not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def since(text: object, now: datetime) -> str:
    """The age of a timestamp, `<unknown>` without one."""
    then = moment(text)
    return UNKNOWN if then is None else human_duration((now - then).total_seconds())
