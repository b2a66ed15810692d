"""A certificate and its life in words, and in a few lines: the essentials of `openssl x509 -noout -text`."""

from datetime import UTC, datetime, timedelta

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.gotext import address_text, printable
from kubevouch.x509.kinds import classify

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


_WIDTH = 12


def describe(certificate: Certificate, at: datetime) -> tuple[str, ...]:
    """Lines of printable text, each after its label. at: the aware moment from which the remaining life is counted."""
    facts = {
        "kind": str(classify(certificate)),
        "subject": str(certificate.subject) or "(empty)",
        "issuer": f"{certificate.issuer}{' (itself)' if certificate.is_self_issued else ''}",
        "serial": f"{certificate.serial:x}",
        "valid": f"{time_text(certificate.not_before)} to {time_text(certificate.not_after)}",
        "life": remaining_life(certificate, at),
        "names": ", ".join(certificate.dns_names),
        "addresses": ", ".join(map(address_text, certificate.ip_addresses)),
        "other names": ", ".join(
            (*certificate.emails, *certificate.uris, *certificate.other_names)
        ),
        "usage": ", ".join((*certificate.extended_key_usage, *certificate.key_usage)),
        "authority": _authority(certificate),
        "key": certificate.key_description,
        "signed with": certificate.signature_algorithm.name,
        "sha256": certificate.fingerprint,
    }
    return tuple(f"{label:<{_WIDTH}} {printable(fact)}" for label, fact in facts.items() if fact)


def _authority(certificate: Certificate) -> str:
    if not certificate.is_ca:
        return ""
    if certificate.path_length is None:
        return "may sign certificates"
    return f"may sign certificates, with at most {certificate.path_length} CAs below"
