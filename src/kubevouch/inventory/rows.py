"""A row for each certificate: its state, the used part of its life, and what stops when it expires."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    signing_roots,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.evidence.serving import NOT_COVERED
from kubevouch.inventory.purpose import KUBEADMS_CAS, PURPOSES, RenewedBy, harm_of
from kubevouch.outcome import Explained
from kubevouch.tls import FailureKind
from kubevouch.x509 import Certificate, CertificateKind, classify, life_used, misnamed

_CALLED = frozenset({CertificateUse.METRICS_SERVER, CertificateUse.WEBHOOK})
"""Servers that the API server calls. We verify them as it does, to report the same error."""


class RowState(Explained):
    """The state of a certificate at the time of the inventory."""

    VALID = "valid", "valid; in tables `good`, or `ends soon` once --warn is reached"
    EXPIRED = "expired", "the certificate has expired; in tables `ended`"
    NOT_YET_VALID = "not-yet-valid", "the certificate is not valid yet"
    MISSING = "missing", "a file that kubeadm expects does not exist"
    UNREADABLE = (
        "unreadable",
        "the file has no readable certificate, or the server presents none (`not served`, `no answer`)",
    )
    NOT_READ = "not-read", "the file could not be read, usually for lack of permission"
    WRONG = "wrong", "not expired, but its key or CA does not match, or clients reject it"
    SELF_SIGNED = "self-signed", "signed by its kubelet (kubeadm's default); not verifiable"


IN_TIME = frozenset({RowState.VALID, RowState.SELF_SIGNED})
"""States of certificates within their validity period."""

_STOPS_BESIDE = {
    RowState.EXPIRED: "only certificates from this CA, since its bundle also has a valid CA",
    RowState.NOT_YET_VALID: "nothing, since its bundle also has a valid CA",
}
_NUMBERED = re.compile(r", certificate \d+\Z")  # a second CA in a file on a disk


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """What an operator sees about one certificate.

    remaining: the time until it expires, negative if it has expired. used: the used part of its
    life, above 1.0 if it has expired. Both are None if there is no certificate. remarks: what
    is wrong with it, such as the error that a Go client reports.
    """

    found: FoundCertificate
    state: RowState
    remaining: timedelta | None
    used: float | None
    renewed_by: RenewedBy
    stops: str
    remarks: tuple[str, ...] = ()
    beside_another: bool = False
    """Whether this is an invalid CA whose bundle also has a valid CA, during or after a
    rotation."""

    @property
    def percent_used(self) -> str:
        """The used part of the life, rounded down, so 92% appears only if a limit of 92% is reached."""
        return "" if self.used is None else f"{int(self.used * 100 + 1e-9)}%"

    @property
    def word(self) -> str:
        """The state in a word or two; "ends soon" for a valid certificate, since only certificates near a limit are described."""
        words = {
            RowState.EXPIRED: "ended",
            RowState.NOT_YET_VALID: "not valid yet",
            RowState.MISSING: "missing",
            RowState.UNREADABLE: self.unread,
            RowState.NOT_READ: self.unread,
            RowState.WRONG: "wrong",
            RowState.SELF_SIGNED: "self-signed",
        }
        return words.get(self.state, "ends soon")

    @property
    def unread(self) -> str:
        """Why there is no certificate, in a word or two."""
        if self.state is RowState.NOT_READ:
            return "not read"
        if self.found.vantage is not Vantage.DIALLED:
            return "unreadable"
        return "not served" if self.found.failure is FailureKind.ALERT else "no answer"


def rows_of(found: FoundCertificates) -> tuple[CertificateRow, ...]:
    """Returns a row for each certificate.

    Rows without a certificate come first. The others are sorted by expiry.
    """
    authorities = _authorities(found)
    rows = _beside_others_of_a_bundle(
        [
            replace(row, remarks=(*row.remarks, *_ends_with_ca(each, authorities)))
            for each in found.found
            for row in (row_of(each, found.at),)
        ]
    )
    return tuple(sorted(rows, key=_order))


def _authorities(found: FoundCertificates) -> dict[bytes, list[Certificate]]:
    """The CAs of kubeadm by subject. Several may share a subject: two during a rotation, and those of other clusters."""
    authorities: dict[bytes, list[Certificate]] = {}
    for each in found.found:
        if each.certificate is not None and each.use in KUBEADMS_CAS:
            authorities.setdefault(each.certificate.raw.subject, []).append(each.certificate)
    return authorities


def _ends_with_ca(
    found: FoundCertificate, authorities: dict[bytes, list[Certificate]]
) -> tuple[str, ...]:
    """A remark if the CA that signed a certificate expires before it or at the same time."""
    leaf = found.certificate
    if leaf is None or found.use in KUBEADMS_CAS:
        return ()
    named = authorities.get(leaf.raw.issuer, ())
    if not any(each.not_after <= leaf.not_after for each in named):
        return ()
    ends = [each.not_after for each in signing_roots(leaf, found.chain[1:], named)]
    if not ends or leaf.not_after < max(ends):
        return ()
    if leaf.not_after == max(ends):
        return ("its CA expires at the same time, so a renewal cannot last longer",)
    return (f"its CA expires earlier, on {max(ends):%b %d, %Y %H:%M} UTC",)


def _beside_others_of_a_bundle(rows: Sequence[CertificateRow]) -> Iterable[CertificateRow]:
    """Marks each invalid CA whose bundle also has a valid CA."""
    good = {
        _bundle(row)
        for row in rows
        if row.state is RowState.VALID and PURPOSES[row.found.use].is_ca
    }
    for row in rows:
        if row.state in _STOPS_BESIDE and _bundle(row) in good:
            yield replace(row, stops=_STOPS_BESIDE[row.state], beside_another=True)
        else:
            yield row


def _bundle(row: CertificateRow) -> tuple[str, str, str]:
    return row.found.use, row.found.node, _NUMBERED.sub("", row.found.where)


_AT_ONCE = timedelta(minutes=5)  # kubeadm makes all within seconds, so sort these by harm


def _order(row: CertificateRow) -> tuple[bool, int, int, timedelta, str, str]:
    remaining = row.remaining
    length = timedelta() if remaining is None else remaining
    harm = harm_of(row.found.use)
    return remaining is not None, length // _AT_ONCE, harm, length, row.found.node, row.found.where


def row_of(found: FoundCertificate, at: datetime) -> CertificateRow:
    """The row of one certificate. at: the timezone-aware current time."""
    purpose = PURPOSES[found.use]
    certificate = found.certificate
    renewed_by = _renewed_by(found, purpose.renewed_by)
    if certificate is None:
        state = RowState.MISSING if found.missing else RowState.UNREADABLE
        left, used = None, None
    else:
        state = _state(found, certificate, at)
        left, used = certificate.not_after - at, life_used(certificate, at)
    return CertificateRow(found, state, left, used, renewed_by, purpose.stops, _remarks(found))


def _state(found: FoundCertificate, certificate: Certificate, at: datetime) -> RowState:
    """The state of a certificate. As in Go, it is still valid at notAfter (crypto/x509 Verify)."""
    if at < certificate.not_before:
        return RowState.NOT_YET_VALID
    if at > certificate.not_after:
        return RowState.EXPIRED
    is_trusted = found.verdict is not None and found.verdict.trusted
    if found.use is CertificateUse.KUBELET_SERVING and _is_kubelets_own(certificate):
        return RowState.VALID if is_trusted else RowState.SELF_SIGNED
    is_wrong = found.vantage is Vantage.NODE_DISK and bool(found.fault)
    return RowState.WRONG if is_wrong or _is_refused(found) else RowState.VALID


def misnaming(found: FoundCertificate) -> str:
    """Why a kubelet's trusted certificate is not a serving certificate for its node; "" if it is, or if it is not trusted."""
    leaf, verdict = found.certificate, found.verdict
    is_trusted = verdict is not None and verdict.trusted
    return misnamed(leaf, found.node) if is_trusted and leaf is not None else ""


def _is_refused(found: FoundCertificate) -> bool:
    """Whether verifying clients reject the server's certificate.

    For API servers the name is not checked, since clients may dial other names than we do.
    """
    verdict = found.verdict
    if verdict is None:
        return False
    match found.use:
        case CertificateUse.KUBELET_SERVING:
            return not verdict.trusted or bool(misnaming(found))
        case CertificateUse.API_SERVER:
            return not verdict.trusted and verdict.reason not in NOT_COVERED
        case _:
            return found.use in _CALLED and not verdict.trusted


def _is_kubelets_own(certificate: Certificate) -> bool:
    return classify(certificate) is CertificateKind.KUBELET_SELF_SIGNED


def _renewed_by(found: FoundCertificate, usual: RenewedBy) -> RenewedBy:
    """Who renews the certificate.

    Nobody renews a kubelet's self-signed certificate. kubeadm renews no externally managed
    certificate.
    """
    if not found.is_usual:
        return RenewedBy.NOT_KNOWN
    if found.externally_managed:
        return RenewedBy.BY_HAND
    certificate = found.certificate
    if found.use is not CertificateUse.KUBELET_SERVING or certificate is None:
        return usual
    if _is_kubelets_own(certificate):
        return RenewedBy.NOBODY
    is_signers = classify(certificate) is CertificateKind.KUBELET_SERVING
    return usual if is_signers else RenewedBy.BY_HAND


def _remarks(found: FoundCertificate) -> tuple[str, ...]:
    remarks = [found.fault] if found.fault else []
    verdict = found.verdict
    if verdict is not None and not verdict.trusted:
        remarks.append(verdict.go_text)
    if found.use is CertificateUse.KUBELET_SERVING and (why := misnaming(found)):
        remarks.append(why)
    if found.issued and _is_newer(found.issued.certificate, found.certificate):
        remarks.append(f"the certificate of {found.issued.csr} was issued, but is not served")
    return tuple(remarks)


def _is_newer(issued: Certificate, served: Certificate | None) -> bool:
    """Whether the issued certificate should replace the served certificate.

    The issued certificate may be older, if the CSR of the served certificate was deleted.
    """
    if served is None:
        return True
    return issued.fingerprint != served.fingerprint and issued.not_before >= served.not_before


_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_TIME: Final = re.compile(
    r"(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class LifeLimit:
    """A limit in a certificate's lifetime: the time left before it expires, or the used part of its lifetime (0.0 to 1.0)."""

    left: timedelta = timedelta()
    used: float | None = None

    def is_reached(self, row: CertificateRow) -> bool:
        """Whether the row has reached the limit. False without a certificate."""
        if row.remaining is None or row.used is None:
            return False
        return row.remaining <= self.left if self.used is None else row.used >= self.used


WARN: Final = LifeLimit(used=0.92)
"""The default limit for a warning. Kubelets renew at 70 to 90 percent, so renewal has failed by
then. kubeadm's one-year certificates have 29 days left at that point."""


def read_life_limit(text: str) -> LifeLimit | None:
    """Parses `30d`, `12h`, `1d12h` or `92%`; None for anything else."""
    if found := _PERCENT.fullmatch(text):
        used = float(found[1]) / 100
        return LifeLimit(used=used) if used <= 1 else None
    if found := _TIME.fullmatch(text):
        days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
        return LifeLimit(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
    return None


class Concern(StrEnum):
    """How a row compares with the limits."""

    FAIL = "fail"
    WARN = "warn"
    NONE = "ok"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for warnings and failures.

    warn, fail: the limits at which a row becomes a warning or a failure; fail may be None. within:
    show only rows that reach this limit; None shows every row.

    Invalid and missing certificates always fail. A kubelet's self-signed certificate is a warning:
    with kubeadm's defaults no client verifies it.
    """

    warn: LifeLimit = WARN
    fail: LifeLimit | None = None
    within: LifeLimit | None = None

    def shows(self, row: CertificateRow) -> bool:
        """Whether to show the row. Failures are always shown."""
        fails = self.concern(row) is Concern.FAIL
        return self.within is None or fails or self.within.is_reached(row)

    def concern(self, row: CertificateRow) -> Concern:
        """Whether the row is a failure, a warning or fine."""
        if row.state is RowState.NOT_READ:
            return Concern.NONE
        if row.state not in IN_TIME:
            return Concern.NONE if _may_be_missing(row) else Concern.FAIL
        if self.fail is not None and self.fail.is_reached(row):
            return Concern.FAIL
        is_worth = row.state is not RowState.VALID or self.warn.is_reached(row)
        return Concern.WARN if is_worth else Concern.NONE


def _may_be_missing(row: CertificateRow) -> bool:
    """Whether the file may be missing. Only the first control plane has super-admin.conf, since 1.29."""
    return row.state is RowState.MISSING and row.found.use is CertificateUse.SUPER_ADMIN_CONF
