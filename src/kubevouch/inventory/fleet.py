"""Summarizes many certificates for the same use, or many failed reads, in a few lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Final

from kubevouch.diagnose.make import named
from kubevouch.evidence.certificates import CertificateUse, FoundCertificates, NotRead
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.inventory.kubeadm_tables import unseen_of_kubeadm
from kubevouch.inventory.purpose import SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import CertificateRow, Concern, Limits, RowState, row_of
from kubevouch.x509 import CertificateKind, classify

MOST_ROWS: Final = 10
"""If more certificates than this have the same use, they are summarized in one row."""
_SHOWN: Final = 3
_ITSELF: Final = "itself"
_OWN_AUTHORITY: Final = {
    CertificateKind.KUBELET_SELF_SIGNED,
    CertificateKind.COMPONENT_SELF_SIGNED,
    CertificateKind.SELF_SIGNED_CA,
}


@dataclass(frozen=True, slots=True)
class Outlier:
    """A row that is shown below the summary of its use.

    more: the number of further rows with the same `why`, which are not shown.
    """

    row: CertificateRow
    why: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class UseSummary:
    """A summary of all rows with one use.

    first: the row that expires first; None if no row has a certificate.
    """

    use: CertificateUse
    count: int
    states: tuple[tuple[str, int], ...]
    first: CertificateRow | None
    authorities: tuple[str, ...]
    outliers: tuple[Outlier, ...]


def summed_up(
    rows: Iterable[CertificateRow], limits: Limits, most: int = MOST_ROWS
) -> tuple[CertificateRow | UseSummary, ...]:
    """The rows in order. A use with more than `most` rows becomes one summary in place of its first row."""
    listed = list(rows)
    counts = Counter(each.found.use for each in listed)
    found: list[CertificateRow | UseSummary] = []
    done: set[CertificateUse] = set()
    for row in listed:
        use = row.found.use
        if counts[use] <= most:
            found.append(row)
        elif use not in done:
            done.add(use)
            found.append(_summary(use, [each for each in listed if each.found.use is use], limits))
    return tuple(found)


def _summary(use: CertificateUse, rows: Sequence[CertificateRow], limits: Limits) -> UseSummary:
    states = Counter(state_word(each, limits) for each in rows)
    read = [each for each in rows if each.remaining is not None]
    return UseSummary(
        use,
        len(rows),
        tuple(states.most_common()),
        min(read, key=lambda each: each.remaining or timedelta(), default=None),
        tuple(word for word, _ in Counter(map(signed_by, read)).most_common()),
        tuple(_outliers(rows, read, limits)),
    )


def state_word(row: CertificateRow, limits: Limits) -> str:
    """The state of a row in a word or two: "ended", "ends soon", "good"."""
    is_good = row.state is RowState.VALID and limits.concern(row) is Concern.NONE
    return "good" if is_good else row.word


def signed_by(row: CertificateRow) -> str:
    """The signer of a certificate.

    This is kubeadm's name for the CA if the signature was verified. Otherwise it is "itself" for a
    self-signed certificate, or the issuer's name. Empty if there is no certificate.
    """
    certificate = row.found.certificate
    if row.found.authority or certificate is None:
        return row.found.authority
    if certificate.is_self_issued or classify(certificate) in _OWN_AUTHORITY:
        return _ITSELF
    return str(certificate.issuer)


def _outliers(
    rows: Sequence[CertificateRow], read: Sequence[CertificateRow], limits: Limits
) -> Iterable[Outlier]:
    """The rows to show: first rows that reach a limit, then rows with an unusual signer, then rows that do not verify."""
    worth = [each for each in rows if limits.concern(each) is not Concern.NONE]
    by_word = sorted(worth, key=lambda each: state_word(each, limits))
    for word, same in groupby(by_word, key=lambda each: state_word(each, limits)):
        yield from _some(list(same), word)
    rest = [each for each in read if limits.concern(each) is Concern.NONE]
    other = _others(rest)
    yield from _some(other, "signed by another CA")
    doubted = [each for each in rest if each.remarks and each not in other]
    yield from _some(doubted, "does not verify")


def _some(rows: Sequence[CertificateRow], why: str) -> Iterable[Outlier]:
    more = len(rows) - _SHOWN
    for number, row in enumerate(rows[:_SHOWN], 1):
        yield Outlier(row, why, max(0, more) if number == _SHOWN else 0)


def _others(rows: Sequence[CertificateRow]) -> list[CertificateRow]:
    """The rows not signed by the most common signer.

    Empty if that signer signed at most half of the rows.
    """
    usual = Counter(map(signed_by, rows)).most_common(1)
    if not usual or usual[0][1] * 2 <= len(rows):
        return []
    return [each for each in rows if signed_by(each) != usual[0][0]]


NAMES: Final = 4
"""The maximum number of places listed in one line."""
_BY_ROOT: Final = "`kubevouch certs --root /` on a control plane"


@dataclass(frozen=True, slots=True)
class Unread:
    """A line about places that were not read. is_failure: whether we should have been able to read them."""

    text: str
    is_failure: bool


def rows_not_read(not_read: Iterable[NotRead]) -> tuple[CertificateRow, ...]:
    """A row for each unread file, since the certificate in it may be the first to expire."""
    return tuple(
        replace(
            row_of(each.lacks, each.lacks.at),
            state=RowState.NOT_READ,
            remarks=(each.doubt.text,),
        )
        for each in not_read
        if each.lacks is not None
    )


def all_unread(found: FoundCertificates) -> tuple[NotRead, ...]:
    """The unread places where a certificate is needed, and kubeadm's files if none was read."""
    listed = tuple(each for each in found.not_read if not each.is_not_missed)
    has_its_row = any(each.lacks and each.lacks.use in SHOWN_BY_KUBEADM for each in listed)
    unseen = () if has_its_row else unseen_of_kubeadm(found.found)
    if not unseen:
        return listed
    who = f"`kubevouch certs --via ssh` shows them, or {_BY_ROOT}"
    if found.asked_disks:
        who = f"no control plane's disk was read; {_BY_ROOT} shows them"
    what = f"kubeadm's files ({', '.join(unseen)})"
    return (*listed, NotRead(what, Doubt(DoubtKind.NOT_ASKED, who)))


def unread_of(found: FoundCertificates) -> tuple[Unread, ...]:
    """Returns a line for each reason and kind of place that could not be read, failures first."""
    groups: dict[tuple[bool, str, str], list[NotRead]] = {}
    for each in all_unread(found):
        what = each.what.replace(each.node, "") if each.node else each.what
        key = (each.is_ordinary, what, each.doubt.text)
        groups.setdefault(key, []).append(each)
    return tuple(
        Unread(_text(same), is_failure=not is_ordinary)
        for (is_ordinary, _, _), same in sorted(groups.items(), key=lambda item: item[0][0])
    )


def _text(same: Sequence[NotRead]) -> str:
    first = same[0]
    if len(same) == 1 or not first.node:
        return f"{first.what}: {first.doubt.text}"
    nodes = named([each.node for each in same], most=NAMES)
    return f"{first.what.replace(first.node, nodes)}: {first.doubt.text}"
