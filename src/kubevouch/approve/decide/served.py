"""Is what was issued served? When it is looked at, and what a handshake shows."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.kubelet.dial_result import DialResult
from kubevouch.tls import FailureKind
from kubevouch.x509 import X509Error, read_certificates

FIRST_LOOK: Final = 10.0
NEXT_LOOK: Final = 30.0
LATE: Final = 120.0
"""Seconds since the certificate was issued. A kubelet reads it within seconds (client-go certificate_manager.go)."""

LATER_LOOK: Final = 300.0
GIVEN_UP: Final = 3600.0

_NOT_REACHED: Final = {
    FailureKind.REFUSED,
    FailureKind.UNREACHABLE,
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.HANDSHAKE_TIMEOUT,
    FailureKind.NAME_UNKNOWN,
    FailureKind.RESET,
    FailureKind.ENDED,
    FailureKind.OUR_SIDE,
}


class ServedResult(StrEnum):
    """What a handshake with the node shows about the certificate that was issued for it."""

    SERVED = "served"
    NOT_SERVED = "not-served"
    UNREACHABLE = "unreachable"
    """Nobody answered from here: that says nothing about the certificate."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """The newest certificate that was issued for a node with our approval."""

    csr: CertificateSigningRequest
    node: str
    address: str
    """The first address in the certificate."""

    fingerprint: str


def issued_of(csr: CertificateSigningRequest, node: str) -> IssuedCertificate | None:
    """The certificate in a CSR's status; None if it is not issued yet, cannot be read, or has no address to look at."""
    if not csr.status.certificate:
        return None
    try:
        leaf = read_certificates(csr.status.certificate, csr.name)[0]
    except (X509Error, IndexError):
        return None
    if not leaf.ip_addresses:
        return None
    return IssuedCertificate(csr, node, str(ip_address(leaf.ip_addresses[0])), leaf.fingerprint)


def result_of(issued: IssuedCertificate, dialled: DialResult) -> ServedResult:
    """What a handshake shows."""
    if dialled.leaf is not None and dialled.leaf.fingerprint == issued.fingerprint:
        return ServedResult.SERVED
    if dialled.failure is not None and dialled.failure.kind in _NOT_REACHED:
        return ServedResult.UNREACHABLE
    return ServedResult.NOT_SERVED


def next_served_look(age: float) -> float | None:
    """Seconds until the next look at what has not been served so far; None: it is given up. age: since it was issued."""
    if age >= GIVEN_UP:
        return None
    if age < LATE:
        return min(NEXT_LOOK, LATE - age)
    return LATER_LOOK
