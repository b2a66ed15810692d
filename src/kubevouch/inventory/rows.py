"""A row for each certificate that was found: its state, how much of its life is used, and what follows."""

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
"""What the API server calls: it is verified here as it is there, so that an error is an error there."""


class RowState(Explained):
    """What can be said of a certificate at the moment of the inventory."""

    VALID = "valid", "good in time; `ends soon` from --warn on"
    EXPIRED = "expired", "it has ended"
    NOT_YET_VALID = "not-yet-valid", "its time has not begun"
    MISSING = "missing", "a file that kubeadm expects is not there"
    UNREADABLE = "unreadable", "no certificate could be read there, or none is served"
    NOT_READ = "not-read", "nobody can tell from here"
    WRONG = "wrong", "good in time, but its key or CA is another one, or its clients refuse it"
    SELF_SIGNED = "self-signed", "its kubelet made it, so nobody can verify it: kubeadm's default"


IN_TIME = frozenset({RowState.VALID, RowState.SELF_SIGNED})
"""What ends is still to come, and is worth a word."""

_STOPS_BESIDE = {
    RowState.EXPIRED: "what only this one has signed: another beside it goes on",
    RowState.NOT_YET_VALID: "nothing that is in use: another beside it goes on",
}
_NUMBERED = re.compile(r", certificate \d+\Z")  # a second authority in a file of a disk


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
    beside_another: bool = False
    """An authority that is not valid now, beside one in the same bundle that is: a rotation goes on, or has left it there."""

    @property
    def percent_used(self) -> str:
        """The part of its life that is over, never more than it is: 92% is shown where a limit of 92% is reached."""
        return "" if self.used is None else f"{int(self.used * 100 + 1e-9)}%"

    @property
    def word(self) -> str:
        """The state in a word or two; "ends soon" for what is valid."""
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
        """How nothing could be read: a TLS alert came in its place, nothing, or something else; or nobody may read it."""
        if self.state is RowState.NOT_READ:
            return "not read"
        if self.found.vantage is not Vantage.DIALLED:
            return "unreadable"
        return "not served" if self.found.failure is FailureKind.ALERT else "no answer"


def rows_of(found: FoundCertificates) -> tuple[CertificateRow, ...]:
    """A row for each, what ends first before the others; what has no certificate comes first of all."""
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
    """Kubeadm's CAs by subject: a rotation has two, and all clusters' bear the same name."""
    authorities: dict[bytes, list[Certificate]] = {}
    for each in found.found:
        if each.certificate is not None and each.use in KUBEADMS_CAS:
            authorities.setdefault(each.certificate.raw.subject, []).append(each.certificate)
    return authorities


def _ends_with_ca(
    found: FoundCertificate, authorities: dict[bytes, list[Certificate]]
) -> tuple[str, ...]:
    """A remark where the CA that has signed it ends no later: kube-controller-manager issues nothing that lives longer.

    Whose signature it is, is looked up only where an end makes it matter.
    """
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
        return ("its CA ends at the same moment, so no other can be issued for longer",)
    return (f"its CA ends before it, on {max(ends):%b %d, %Y %H:%M} UTC",)


def _beside_others_of_a_bundle(rows: Sequence[CertificateRow]) -> Iterable[CertificateRow]:
    """The rows; an authority that has ended, or only begins, stops less where another one of its bundle goes on."""
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


_AT_ONCE = timedelta(minutes=5)  # kubeadm makes all within seconds: what stops more comes first


def _order(row: CertificateRow) -> tuple[bool, int, int, timedelta, str, str]:
    remaining = row.remaining
    length = timedelta() if remaining is None else remaining
    harm = harm_of(row.found.use)
    return remaining is not None, length // _AT_ONCE, harm, length, row.found.node, row.found.where


def row_of(found: FoundCertificate, at: datetime) -> CertificateRow:
    """The row of one. at: the aware moment from which its life is counted."""
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
    """As Go judges time: a certificate is still good in the second of its end (crypto/x509 Verify)."""
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
    """Why what a kubelet presents is trusted, and yet not its node's: it may be another that answers there; else ""."""
    leaf, verdict = found.certificate, found.verdict
    is_trusted = verdict is not None and verdict.trusted
    return misnamed(leaf, found.node) if is_trusted and leaf is not None else ""


def _is_refused(found: FoundCertificate) -> bool:
    """Whether whoever calls that server, and verifies it, refuses what it presents.

    An API server is also called by names that are not dialled here: only its authority counts.
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
    """Who renews it: a kubelet's own pair nobody, and what is managed elsewhere not kubeadm."""
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
        remarks.append(f"{found.issued.csr} was issued, and is not served")
    return tuple(remarks)


def _is_newer(issued: Certificate, served: Certificate | None) -> bool:
    """Whether it should be served in place of the other. A CSR may be older than what is served, whose own is gone."""
    if served is None:
        return True
    return issued.fingerprint != served.fingerprint and issued.not_before >= served.not_before


_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_TIME: Final = re.compile(
    r"(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class LifeLimit:
    """A moment in the life of a certificate: so long before its end, or when so much of its life is used (0.0 to 1.0)."""

    left: timedelta = timedelta()
    used: float | None = None

    def is_reached(self, row: CertificateRow) -> bool:
        """Whether that moment has come. Never, where there is no certificate."""
        if row.remaining is None or row.used is None:
            return False
        return row.remaining <= self.left if self.used is None else row.used >= self.used


WARN: Final = LifeLimit(used=0.92)
"""A kubelet renews when 70 to 90 percent are used: later it has tried in vain. Of kubeadm's year 29 days are left then."""


def read_life_limit(text: str) -> LifeLimit | None:
    """`30d`, `12h`, `1d12h`, `92%`; None for anything else."""
    if found := _PERCENT.fullmatch(text):
        used = float(found[1]) / 100
        return LifeLimit(used=used) if used <= 1 else None
    if found := _TIME.fullmatch(text):
        days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
        return LifeLimit(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
    return None


class Concern(StrEnum):
    """How a row stands against the limits."""

    FAIL = "fail"
    WARN = "warn"
    NONE = "ok"


@dataclass(frozen=True, slots=True)
class Limits:
    """warn, fail: from when on. What is not valid, or not there, fails whatever they say. fail: None for that only. within: None shows every row.

    What a kubelet has made for itself is a warning: as kubeadm leaves a cluster, nobody has tried to verify it.
    """

    warn: LifeLimit = WARN
    fail: LifeLimit | None = None
    within: LifeLimit | None = None

    def shows(self, row: CertificateRow) -> bool:
        """Whether the row is shown: what fails always is."""
        fails = self.concern(row) is Concern.FAIL
        return self.within is None or fails or self.within.is_reached(row)

    def concern(self, row: CertificateRow) -> Concern:
        """How the row stands."""
        if row.state is RowState.NOT_READ:
            return Concern.NONE
        if row.state not in IN_TIME:
            return Concern.NONE if _may_be_missing(row) else Concern.FAIL
        if self.fail is not None and self.fail.is_reached(row):
            return Concern.FAIL
        is_worth = row.state is not RowState.VALID or self.warn.is_reached(row)
        return Concern.WARN if is_worth else Concern.NONE


def _may_be_missing(row: CertificateRow) -> bool:
    """Whether that is usual: super-admin.conf is on the first control plane only, and nowhere before 1.29."""
    return row.state is RowState.MISSING and row.found.use is CertificateUse.SUPER_ADMIN_CONF
