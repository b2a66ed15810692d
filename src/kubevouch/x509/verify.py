"""Verifies a server's certificate as metrics-server does, or a client's as the API server does.

This is Go's Certificate.Verify with DNSName and KeyUsages, on our own parser: the same checks in
the same order, and the same text for the first failure. It never uses the system's trust
store. A connection must also pass OpenSSL's verification. If the two verifications disagree,
that is reported separately.

Order: (a) critical extensions and dates of the leaf, (b) the name, (c) a chain to a root, (d)
policies, extended key usage and name constraints of each chain. Only the first failure is reported:
after a fix, verify again.

The common name is used only to report that a certificate relies on it. Hardly any cluster uses
policies, and no kubelet's certificate has any. So a chain below a CA that requires policies
(policyConstraints and similar) is always rejected; Go would trust some of those chains.

Source: Verify and VerifyHostname in Go's crypto/x509/verify.go (1.26); RFC 5280, 6.1. tests/x509
replays Go's own verdicts.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.chains import Chain, ChainBuilder, validity_failure
from kubevouch.x509.constraints import violation
from kubevouch.x509.extensions import ANY_USAGE, CLIENT_AUTH, SERVER_AUTH
from kubevouch.x509.gotext import Address, address_text, parse_address, unmapped
from kubevouch.x509.reasons import Verdict, VerifyReason

MOST_NAMES_SHOWN = 100

_LABEL = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_-]*")
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def hostname_failure(certificate: Certificate, host: str) -> Verdict | None:
    """Why the certificate is not valid for a host; None if it is valid. An IP address may be in brackets."""
    bare = host[1:-1] if len(host) >= 3 and host[0] == "[" and host[-1] == "]" else host
    address = parse_address(bare)
    if address is not None:
        if unmapped(address) in map(unmapped, certificate.ip_addresses):
            return None
        return _failure(certificate, bare)
    spellings = _possible_sans(host)
    # A stranger may present thousands of names: first compare each as it is.
    if any(_lower(name) in spellings and _covers(name, host) for name in certificate.dns_names):
        return None
    return _failure(certificate, host)


def _possible_sans(host: str) -> frozenset[str]:
    """All SANs, in lower case, that could cover this host. `_covers` makes the final check."""
    bare = _lower(host.removesuffix("."))
    _, dot, rest = bare.partition(".")
    return frozenset((bare, _lower(host), f"*{dot}{rest}"))


def _covers(name: str, host: str) -> bool:
    """Whether a SAN covers a host.

    If both are valid host names, a wildcard matches one label, and the host's trailing dot is
    ignored. Other texts must be equal, except for the case of ASCII letters.
    """
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
    """The text with ASCII letters in lower case; other characters are unchanged."""
    return text.translate(_UPPER)


def _failure(certificate: Certificate, host: str) -> Verdict:
    """The failure for a host that the certificate lacks, with Go's text (HostnameError.Error)."""
    if not certificate.has_san_extension and _matches(certificate.subject.common_name, host):
        text = "certificate relies on legacy Common Name field, use SANs instead"
        return Verdict(VerifyReason.LEGACY_COMMON_NAME, f"x509: {text}", certificate)
    if parse_address(host) is not None:
        return _address_failure(certificate, host, certificate.ip_addresses)
    names = certificate.dns_names
    if len(names) >= MOST_NAMES_SHOWN:
        text = f"valid for {len(names)} names, but none matched {host}"
        return Verdict(VerifyReason.NAME_NOT_COVERED, f"x509: certificate is {text}", certificate)
    valid = ", ".join(names)
    if not valid:
        text = f"not valid for any names, but wanted to match {host}"
        return Verdict(VerifyReason.NO_NAMES, f"x509: certificate is {text}", certificate)
    text = f"valid for {valid}, not {host}"
    return Verdict(VerifyReason.NAME_NOT_COVERED, f"x509: certificate is {text}", certificate)


def _address_failure(
    certificate: Certificate, host: str, addresses: tuple[Address, ...]
) -> Verdict:
    if not addresses:
        text = f"cannot validate certificate for {host} because it doesn't contain any IP SANs"
        return Verdict(VerifyReason.NO_ADDRESSES, f"x509: {text}", certificate)
    if len(addresses) >= MOST_NAMES_SHOWN:
        text = f"valid for {len(addresses)} IP SANs, but none matched {host}"
    else:
        text = f"valid for {', '.join(map(address_text, addresses))}, not {host}"
    return Verdict(VerifyReason.ADDRESS_NOT_COVERED, f"x509: certificate is {text}", certificate)


class ExtKeyUsage(StrEnum):
    """The extended key usage that a verification requires."""

    SERVER = SERVER_AUTH
    CLIENT = CLIENT_AUTH


def verify(
    leaf: Certificate,
    *,
    intermediates: Iterable[Certificate],
    roots: Iterable[Certificate],
    name: str,
    at: datetime,
    usage: ExtKeyUsage = ExtKeyUsage.SERVER,
) -> Verdict:
    """Verifies that `leaf` is valid for `name` at the (timezone-aware) time `at`, by a chain to one of `roots`.

    `name`: the dialled host name or IP address, which may be in brackets; "" skips this check.
    """
    builder = ChainBuilder(roots, intermediates, at.astimezone(UTC))
    result = _chains(leaf, builder, name, at, usage)
    return result if isinstance(result, Verdict) else Verdict(VerifyReason.TRUSTED, chain=result[0])


def _chains(
    leaf: Certificate, builder: ChainBuilder, name: str, at: datetime, usage: ExtKeyUsage
) -> list[Chain] | Verdict:
    failure = validity_failure(leaf, at)
    if failure is None and name:
        failure = hostname_failure(leaf, name)
    if failure is not None:
        return failure
    chains = builder.chains(leaf)
    return chains if isinstance(chains, Verdict) else _allowed(leaf, chains, usage)


def _allowed(leaf: Certificate, chains: list[Chain], usage: ExtKeyUsage) -> list[Chain] | Verdict:
    """Returns the chains that policies, usages and constraints allow, or a Verdict if they allow none."""
    allowed: list[Chain] = []
    forbidden = misused = 0
    constraint = ""
    for chain in chains:
        if any(each.demands_policies for each in chain[:-1]):
            forbidden += 1
        elif not _allows_usage(chain, usage):
            misused += 1
        elif fault := _constraint_violation(chain):
            constraint = constraint or fault
        else:
            allowed.append(chain)
    if allowed:
        return allowed
    if constraint:
        text = "x509: a root or intermediate certificate is not authorized to sign for this name"
        return Verdict(VerifyReason.NAME_CONSTRAINT, f"{text}: {constraint}", leaf)
    if misused and not forbidden:
        text = "x509: certificate specifies an incompatible key usage"
        return Verdict(VerifyReason.WRONG_USAGE, text, leaf)
    details = [f"{misused} candidate chains with incompatible key usage"] if misused else []
    details.append(f"{forbidden} candidate chains with invalid policies")
    text = f"x509: no valid chains built: {', '.join(details)}"
    return Verdict(VerifyReason.NO_VALID_CHAINS, text, leaf)


def _constraint_violation(chain: Chain) -> str:
    """Why a CA in the chain may not sign for a name below it, in Go's words; "" if it may sign for all.

    All names of every certificate are checked, not only the dialled one.
    """
    for index, certificate in enumerate(chain):
        for authority in chain[index + 1 :]:
            constraints = authority.name_constraints
            if constraints and (fault := violation(certificate.alt_names, constraints)):
                return fault
    return ""


def _allows_usage(chain: Chain, usage: ExtKeyUsage) -> bool:
    """Whether every certificate of the chain allows this usage or lists no usages (checkChainForKeyUsage)."""
    return all(
        not usages or ANY_USAGE in usages or usage in usages
        for usages in (certificate.extended_key_usage for certificate in chain)
    )
