"""What the log says of certificates that were loaded, in the words of apiserver's pkg/server/dynamiccertificates."""

from datetime import UTC, datetime
from typing import Final

from kubevouch.serve.logs import Log
from kubevouch.x509 import Certificate
from kubevouch.x509.gotext import quote

LEVEL: Final = 2
"""The level of -v that shows these lines."""
_USAGES: Final = {"clientAuth": "client", "serverAuth": "serving"}


def log_loaded(
    log: Log, what: str, name: str, found: Certificate, now: datetime, **place: int
) -> None:
    """What was loaded: `client CA`, `serving cert` or `SNI cert`. place: index, among several of the kind."""
    detail = certificate_detail(found, now)
    log.verbose(LEVEL, f"Loaded {what}", **place, certName=name, certDetail=detail)


def certificate_detail(found: Certificate, now: datetime) -> str:
    """A certificate in a line (GetHumanCertDetail in util.go there); a usage without a word there has RFC 5280's."""
    name, signer = found.subject.common_name, found.issuer.common_name
    usages = ",".join(_USAGES.get(each, each) for each in found.extended_key_usage)
    names = ",".join([*map(str, found.ip_addresses), *found.dns_names])
    groups = ",".join(found.subject.organizations)
    return (
        f"{quote(name)} [{usages}]"
        + (f" groups=[{groups}]" if groups else "")
        + (f" validServingFor=[{names}]" if names else "")
        + f" issuer={quote('<self>' if name == signer else signer)}"
        + f" ({_shown(found.not_before)} to {_shown(found.not_after)} (now={_shown(now)}))"
    )


def _shown(at: datetime) -> str:
    """A moment as Go's time.Time prints it in UTC."""
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
