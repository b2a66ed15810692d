"""How much of a certificate's life is over, and what remains, in words."""

from datetime import UTC, datetime, timedelta

from kubevouch.x509.certificate import Certificate

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


def remaining_life(certificate: Certificate, at: datetime) -> str:
    """The remaining life at an aware moment: "41 days left", "expired 41 days ago", "valid only in 3 hours"."""
    if at < certificate.not_before:
        return f"valid only in {duration_text(certificate.not_before - at)}"
    if at > certificate.not_after:
        return f"expired {duration_text(at - certificate.not_after)} ago"
    return f"{duration_text(certificate.not_after - at)} left"


def life_used(certificate: Certificate, at: datetime) -> float:
    """The part of its life that is over: 0.0 before it begins, more than 1.0 after its end."""
    length = certificate.not_after - certificate.not_before
    if length <= timedelta():
        return 1.0 if at >= certificate.not_after else 0.0
    return max(0.0, (at - certificate.not_before) / length)


def duration_text(length: timedelta) -> str:
    """A duration in its largest unit: days if there are two or more, else hours, minutes or seconds."""
    for word, unit in _UNITS:
        count = length // unit
        if count >= 2:
            return f"{count} {word}s"
    seconds = int(length.total_seconds())
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def time_text(moment: datetime) -> str:
    """A moment in UTC for people: "2026-11-24 21:58:41 UTC"."""
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)} UTC"
