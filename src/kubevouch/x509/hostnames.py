"""Whether a certificate is valid for the name or address that was dialled.

Source: VerifyHostname and its helpers in Go's crypto/x509/verify.go. The common name is used only to report that the
certificate relies on it.
"""

import re

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.gotext import Address, address_text, parse_address, unmapped
from kubevouch.x509.reasons import VerifyFailure, VerifyReason

MOST_NAMES_SHOWN = 100

_LABEL = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_-]*")
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def hostname_failure(certificate: Certificate, host: str) -> VerifyFailure | None:
    """Why the certificate is not valid for a host; None if it is. An address may be in [ ]."""
    bare = host[1:-1] if len(host) >= 3 and host[0] == "[" and host[-1] == "]" else host
    address = parse_address(bare)
    if address is not None:
        if unmapped(address) in map(unmapped, certificate.ip_addresses):
            return None
        return _failure(certificate, bare)
    spellings = _spellings(host)
    # A stranger may present thousands of names: each is first compared as it is.
    if any(_lower(name) in spellings and _covers(name, host) for name in certificate.dns_names):
        return None
    return _failure(certificate, host)


def _spellings(host: str) -> frozenset[str]:
    """The names that may cover a host, in lower case; whether one does, `_covers` says."""
    bare = _lower(host.removesuffix("."))
    _, dot, rest = bare.partition(".")
    return frozenset((bare, _lower(host), f"*{dot}{rest}"))


def _covers(name: str, host: str) -> bool:
    """Whether a SAN covers a host. Wildcards and a trailing dot work in valid host names only; else both must be equal."""
    if _is_hostname(host, pattern=False) and _is_hostname(name, pattern=True):
        return _matches(name, host)
    return _lower(name) == _lower(host) and not {name, host}.intersection(("", "."))


def _is_hostname(host: str, *, pattern: bool) -> bool:
    labels = (host if pattern else host.removesuffix(".")).split(".")
    if pattern and len(labels) > 1 and labels[0] == "*":
        labels = labels[1:]
    return all(_LABEL.fullmatch(label) for label in labels)


def _matches(pattern: str, host: str) -> bool:
    wanted = _lower(host.removesuffix(".")).split(".")
    offered = _lower(pattern).split(".") if pattern else []
    if offered[:1] == ["*"]:
        wanted = ["*", *wanted[1:]]
    return offered == wanted


def _lower(text: str) -> str:
    """The text with ASCII letters in lower case; other letters are left as they are."""
    return text.translate(_UPPER)


def _failure(certificate: Certificate, host: str) -> VerifyFailure:
    """The failure in Go's words, which depend on the certificate's SANs and on the host (HostnameError.Error)."""
    if not certificate.has_san_extension and _matches(certificate.subject.common_name, host):
        text = "certificate relies on legacy Common Name field, use SANs instead"
        return VerifyFailure(VerifyReason.LEGACY_COMMON_NAME, f"x509: {text}", certificate)
    if parse_address(host) is not None:
        return _address_failure(certificate, host, certificate.ip_addresses)
    names = certificate.dns_names
    if len(names) >= MOST_NAMES_SHOWN:
        text = f"valid for {len(names)} names, but none matched {host}"
        return VerifyFailure(
            VerifyReason.NAME_NOT_COVERED, f"x509: certificate is {text}", certificate
        )
    valid = ", ".join(names)
    if not valid:
        text = f"not valid for any names, but wanted to match {host}"
        return VerifyFailure(VerifyReason.NO_NAMES, f"x509: certificate is {text}", certificate)
    text = f"valid for {valid}, not {host}"
    return VerifyFailure(VerifyReason.NAME_NOT_COVERED, f"x509: certificate is {text}", certificate)


def _address_failure(
    certificate: Certificate, host: str, addresses: tuple[Address, ...]
) -> VerifyFailure:
    if not addresses:
        text = f"cannot validate certificate for {host} because it doesn't contain any IP SANs"
        return VerifyFailure(VerifyReason.NO_ADDRESSES, f"x509: {text}", certificate)
    if len(addresses) >= MOST_NAMES_SHOWN:
        text = f"valid for {len(addresses)} IP SANs, but none matched {host}"
    else:
        text = f"valid for {', '.join(map(address_text, addresses))}, not {host}"
    return VerifyFailure(
        VerifyReason.ADDRESS_NOT_COVERED, f"x509: certificate is {text}", certificate
    )
