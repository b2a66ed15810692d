"""A row for each certificate that was found: its state, how much of its life is used, and what follows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    RenewedBy,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.x509 import Certificate, CertificateKind, classify


class RowState(StrEnum):
    """What can be said of a certificate at the moment of the inventory."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    MISSING = "missing"
    """A file that kubeadm expects is not there."""
    UNREADABLE = "unreadable"
    """There is something, or nothing is served, and no certificate could be read."""
    WRONG = "wrong"
    """On a disk: good in time, and yet not to be used, since its key or its authority is not the one beside it."""


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """What an operator is shown about one certificate.

    remaining: until its end, negative once it is over; None if there is no certificate. used: the part of its life that
    is over, 0.0 to 1.0 (more once it has ended); None likewise. remarks: what is wrong besides, each a clause.
    """

    found: FoundCertificate
    state: RowState
    remaining: timedelta | None
    used: float | None
    renewed_by: RenewedBy
    stops: str
    remarks: tuple[str, ...] = ()


def rows_of(found: FoundCertificates) -> tuple[CertificateRow, ...]:
    """A row for each, what ends first before the others; what has no certificate comes first of all."""
    rows = (row_of(each, found.at) for each in found.found)
    return tuple(sorted(rows, key=_order))


def _order(row: CertificateRow) -> tuple[bool, timedelta, str, str, str]:
    remaining = row.remaining
    length = timedelta() if remaining is None else remaining
    return remaining is not None, length, row.found.use, row.found.node, row.found.where


def row_of(found: FoundCertificate, at: datetime) -> CertificateRow:
    """The row of one. at: the aware moment from which its life is counted."""
    purpose = PURPOSES[found.use]
    certificate = found.certificate
    renewed_by = found.renewed_by or _renewed_by(found, purpose.renewed_by)
    if certificate is None:
        state = RowState.MISSING if found.missing else RowState.UNREADABLE
        return CertificateRow(found, state, None, None, renewed_by, purpose.stops, _remarks(found))
    return CertificateRow(
        found,
        _state(found, certificate, at),
        certificate.not_after - at,
        life_used(certificate, at),
        renewed_by,
        purpose.stops,
        _remarks(found),
    )


def life_used(certificate: Certificate, at: datetime) -> float:
    """The part of its life that is over: 0.0 before it begins, more than 1.0 after its end."""
    length = certificate.not_after - certificate.not_before
    if length <= timedelta():
        return 1.0 if at >= certificate.not_after else 0.0
    return max(0.0, (at - certificate.not_before) / length)


def _state(found: FoundCertificate, certificate: Certificate, at: datetime) -> RowState:
    """As Go judges time: a certificate is still good in the second of its end (crypto/x509 Verify)."""
    if at < certificate.not_before:
        return RowState.NOT_YET_VALID
    if at > certificate.not_after:
        return RowState.EXPIRED
    is_wrong = found.vantage is Vantage.NODE_DISK and bool(found.fault)
    return RowState.WRONG if is_wrong else RowState.VALID


def _renewed_by(found: FoundCertificate, usual: RenewedBy) -> RenewedBy:
    """Who renews it: a kubelet's own pair nobody, and what is managed elsewhere not kubeadm."""
    if found.externally_managed:
        return RenewedBy.BY_HAND
    certificate = found.certificate
    if found.use is not CertificateUse.KUBELET_SERVING or certificate is None:
        return usual
    kind = classify(certificate)
    if kind is CertificateKind.KUBELET_SELF_SIGNED:
        return RenewedBy.NOBODY
    return usual if kind is CertificateKind.KUBELET_SERVING else RenewedBy.BY_HAND


def _remarks(found: FoundCertificate) -> tuple[str, ...]:
    remarks = [found.fault] if found.fault else []
    verdict = found.verdict
    if verdict is not None and not verdict.trusted:
        remarks.append(verdict.go_text)
    return tuple(remarks)
