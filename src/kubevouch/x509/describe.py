"""A certificate in a few lines for a person: the essentials of `openssl x509 -noout -text`."""

from datetime import datetime

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.gotext import address_text, printable
from kubevouch.x509.kinds import classify
from kubevouch.x509.lifetimes import remaining_life, time_text

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
