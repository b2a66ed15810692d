"""Verifies a server's certificate as metrics-server does, or a client's as the API server does.

This is Go's Certificate.Verify with DNSName and KeyUsages, on our own parser: the same checks in the same order, and
so the same first failure with the same text. The system's trust store is never used. A connection must also pass
OpenSSL's verification; if the two disagree, that is a finding of its own.

Order: (a) critical extensions and dates of the leaf, (b) the name, (c) a chain to a root, (d) policies, extended key
usage and name constraints of each chain. Only the first failure is reported: after a repair, verify again.

Source: Certificate.Verify in Go's crypto/x509/verify.go (1.26). tests/x509 replays Go's own verdicts.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from kubevouch.outcome import Outcome
from kubevouch.x509.certificate import Certificate
from kubevouch.x509.chains import Chain, ChainBuilder, validity_failure
from kubevouch.x509.constraints import constraint_violation
from kubevouch.x509.extensions import ANY_USAGE, CLIENT_AUTH, SERVER_AUTH
from kubevouch.x509.hostnames import hostname_failure
from kubevouch.x509.policies import policies_allow
from kubevouch.x509.reasons import Verdict, VerifyFailure, VerifyReason


class ExtKeyUsage(StrEnum):
    """The extended key usage that a certificate is verified for."""

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
    """Whether `leaf` is valid for `name` at the (aware) moment `at`, by a chain that ends in one of `roots`.

    `name`: the host name or IP address that was dialled, in [ ] or not; "" skips this check.
    """
    builder = ChainBuilder(roots, intermediates, at.astimezone(UTC))
    result = _chains(leaf, builder, name, at, usage)
    if isinstance(result, VerifyFailure):
        return Verdict(
            Outcome.REFUSE, result.reason, result.text, result.at_fault, result.candidate
        )
    return Verdict(Outcome.PASS, VerifyReason.TRUSTED, chain=result[0])


def _chains(
    leaf: Certificate, builder: ChainBuilder, name: str, at: datetime, usage: ExtKeyUsage
) -> list[Chain] | VerifyFailure:
    failure = validity_failure(leaf, at)
    if failure is None and name:
        failure = hostname_failure(leaf, name)
    if failure is not None:
        return failure
    chains = builder.chains(leaf)
    return chains if isinstance(chains, VerifyFailure) else _allowed(leaf, chains, usage)


def _allowed(
    leaf: Certificate, chains: list[Chain], usage: ExtKeyUsage
) -> list[Chain] | VerifyFailure:
    """The chains that policies, usages and constraints allow; else a VerifyFailure for the first reason seen."""
    allowed: list[Chain] = []
    forbidden = misused = 0
    constraint = ""
    for chain in chains:
        if not policies_allow(chain):
            forbidden += 1
        elif not _serves(chain, usage):
            misused += 1
        elif fault := constraint_violation(chain):
            constraint = constraint or fault
        else:
            allowed.append(chain)
    if allowed:
        return allowed
    if constraint:
        text = "x509: a root or intermediate certificate is not authorized to sign for this name"
        return VerifyFailure(VerifyReason.NAME_CONSTRAINT, f"{text}: {constraint}", leaf)
    if misused and not forbidden:
        text = "x509: certificate specifies an incompatible key usage"
        return VerifyFailure(VerifyReason.WRONG_USAGE, text, leaf)
    details = [f"{misused} candidate chains with incompatible key usage"] if misused else []
    details.append(f"{forbidden} candidate chains with invalid policies")
    text = f"x509: no valid chains built: {', '.join(details)}"
    return VerifyFailure(VerifyReason.NO_VALID_CHAINS, text, leaf)


def _serves(chain: Chain, usage: ExtKeyUsage) -> bool:
    """Whether every certificate of the chain that lists usages allows this one (checkChainForKeyUsage)."""
    return all(
        not usages or ANY_USAGE in usages or usage in usages
        for usages in (certificate.extended_key_usage for certificate in chain)
    )
