"""What matters most in an inventory: which certificates have expired or expire first, and what stops as a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import named
from kubevouch.evidence.certificates import CertificateUse, FoundCertificates
from kubevouch.evidence.measured import DoubtKind, Vantage
from kubevouch.inventory.advice import Advice, advice_of
from kubevouch.inventory.fleet import NAMES
from kubevouch.inventory.purpose import PURPOSES, harm_of
from kubevouch.inventory.rows import IN_TIME, CertificateRow, Concern, Limits, RowState
from kubevouch.x509 import duration_text

_AFFECT_ONE: Final = frozenset(
    {
        CertificateUse.KUBELET_SERVING,
        CertificateUse.KUBELET_CLIENT,
        CertificateUse.KUBECONFIG,
    }
)
"""Uses whose certificates affect only one node or client. Warnings about them come last."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failures or warnings: certificates with the same use and state, sorted by expiry."""

    rows: tuple[CertificateRow, ...]
    concern: Concern

    @property
    def word(self) -> str:
        """A heading of one or two words for the state."""
        return self.rows[0].word.upper()

    def text(self, at: datetime) -> str:
        """Describes the certificates: their places, and their fault or expiry."""
        first = self.rows[0]
        what = f"{first.found.use} of {places_of(self.rows)}"
        if first.remaining is None or first.state is RowState.WRONG:
            why = self._why
            return f"{what}: {why}" if why else what
        if first.state is RowState.NOT_YET_VALID:
            begins = first.found.certificate.not_before if first.found.certificate else at
            return f"{what}: becomes valid in {duration_text(begins - at)}"
        which = "the first " if len(self.rows) > 1 else ""
        if first.state is RowState.SELF_SIGNED:
            left = duration_text(first.remaining)
            return f"{what}: self-signed by the kubelet, so no client can verify it; {which}ends in {left}"
        if first.remaining < timedelta():
            return f"{what}, {which}{duration_text(-first.remaining)} ago"
        return f"{what}, {which}in {duration_text(first.remaining)}"

    @property
    def _why(self) -> str:
        """The fault of the first row, with its place if other rows have other faults."""
        reasons = [each.found.fault or "; ".join(each.remarks[:1]) for each in self.rows]
        is_all = len(set(reasons)) == 1
        return reasons[0] if is_all else f"at {place_of(self.rows[0])}, {reasons[0]}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What matters most in an inventory.

    doubted: valid certificates with remarks. besides: sentences about these remarks. first: the
    valid or self-signed certificate that expires first. unknown: whether a source could not be
    read. advice: None if nothing needs to be done.
    """

    troubles: tuple[Trouble, ...]
    doubted: tuple[CertificateRow, ...]
    besides: tuple[str, ...]
    first: CertificateRow | None
    unknown: bool
    advice: Advice | None


def outlook_of(found: FoundCertificates, rows: Sequence[CertificateRow], limits: Limits) -> Outlook:
    """Returns the outlook for the terminal and the HTML page."""
    troubles, doubted = troubles_of(rows, limits), doubted_of(rows)
    unknown = not all(each.is_ordinary for each in found.not_read)
    if troubles:
        advice: Advice | None = advice_of(troubles[0].rows[0])
    else:
        advice = _advice(found, unknown=unknown, doubted=bool(doubted))
    return Outlook(troubles, doubted, besides(rows), first_to_end(rows), unknown, advice)


def _advice(found: FoundCertificates, *, unknown: bool, doubted: bool) -> Advice | None:
    lacks = any(each.doubt.kind is DoubtKind.NOT_ALLOWED for each in found.not_read)
    if unknown and found.asked_disks and not lacks:
        before = "make ssh and sudo work on the nodes that could not be read"
        return Advice(("kubevouch", "certs", "--via", "ssh"), before=before)
    if unknown and found.without_cluster:
        return Advice(by_hand="as root, `kubevouch certs --root DIR` (the node's root folder)")
    if doubted and found.without_cluster:
        # On a disk, a good certificate with a remark is one that expires with its CA.
        return Advice(("kubevouch", "explain", str(Code.CLUSTER_CA_EXPIRING)))
    if not (unknown or doubted):
        return None
    return Advice(("kubevouch", "doctor", *(("--print-role",) if lacks else ())))


def troubles_of(rows: Sequence[CertificateRow], limits: Limits) -> tuple[Trouble, ...]:
    """Groups the rows that are failures or warnings. Failures come first.

    Failures are sorted by harm, warnings by date; see `_gravity` for exceptions.
    """
    worth = [each for each in rows if limits.concern(each) is not Concern.NONE]
    keyed = sorted(worth, key=lambda each: (*_key(each, limits), _left(each)))
    groups = [
        Trouble(tuple(same), Concern(key[0]))
        for key, same in groupby(keyed, key=lambda each: _key(each, limits))
    ]
    return tuple(sorted(groups, key=_gravity))


def most_harmful(troubles: Sequence[Trouble], most: int) -> tuple[Trouble, ...]:
    """Returns at most `most` troubles in their order: the first, and the most harmful others."""
    kept = sorted(troubles[1:], key=lambda each: (each.concern is not Concern.FAIL, _harm(each)))
    shown = {id(each) for each in (*troubles[:1], *kept[: most - 1])}
    return tuple(each for each in troubles if id(each) in shown)


def what_stops(rows: Sequence[CertificateRow]) -> tuple[tuple[CertificateRow, str], ...]:
    """The first row of each use in `rows`, and when it expires. rows: in the order of `rows_of`.

    Missing files are ignored, since a missing file alone stops nothing.
    """
    first: dict[CertificateUse, CertificateRow] = {}
    for row in rows:
        if row.state is not RowState.MISSING:
            first.setdefault(row.found.use, row)
    return tuple((row, _when(row)) for row in first.values())


def _when(row: CertificateRow) -> str:
    if row.remaining is None:
        is_dialled = row.found.vantage is Vantage.DIALLED
        return f"{'now' if is_dialled else 'unknown'}: {row.unread}"
    left = duration_text(abs(row.remaining))
    return f"{left} ago" if row.remaining < timedelta() else f"in {left}"


def doubted_of(rows: Sequence[CertificateRow]) -> tuple[CertificateRow, ...]:
    """The rows of valid certificates that have remarks."""
    return tuple(row for row in rows if row.state is RowState.VALID and row.remarks)


def besides(rows: Sequence[CertificateRow]) -> tuple[str, ...]:
    """A sentence for each use, about the remarks on its valid certificates."""
    uses: dict[CertificateUse, list[CertificateRow]] = {}
    for row in doubted_of(rows):
        uses.setdefault(row.found.use, []).append(row)
    found = []
    for use, same in uses.items():
        remark = same[0].remarks[0]
        is_all = len({row.remarks[0] for row in same}) == 1
        of_one = "" if is_all else f"at {place_of(same[0])}, "
        found.append(f"{use} of {places_of(same)}: {of_one}{remark}")
    return tuple(found)


def first_to_end(rows: Sequence[CertificateRow]) -> CertificateRow | None:
    """The valid or self-signed certificate that expires first; None if there is none."""
    valid = [each for each in rows if each.state in IN_TIME]
    return min(valid, key=_left, default=None)


def _key(row: CertificateRow, limits: Limits) -> tuple[str, str, str, str, bool]:
    failure = row.found.failure or ""
    return limits.concern(row), row.found.use, row.state, failure, row.beside_another


def _left(row: CertificateRow) -> timedelta:
    return timedelta() if row.remaining is None else row.remaining


def _harm(trouble: Trouble) -> int:
    return harm_of(trouble.rows[0].found.use)


def _gravity(trouble: Trouble) -> tuple[bool, bool, int, timedelta, int, timedelta]:
    """The sort key. Failures precede warnings, and the most harmful failure is first.

    Warnings about CAs precede other warnings, since nothing can be renewed without a CA. A CA is
    less urgent if its bundle also has a valid CA.
    """
    first, harm, left = trouble.rows[0], _harm(trouble), _left(trouble.rows[0])
    if trouble.concern is Concern.FAIL:
        return False, first.beside_another, harm, left, 0, left
    tier = 2 * (first.found.use in _AFFECT_ONE) + (not PURPOSES[first.found.use].is_ca)
    days = timedelta(days=left // timedelta(days=1))
    return True, first.beside_another, tier, days, harm, left


def place_of(row: CertificateRow) -> str:
    """The certificate's node, or else where the certificate was found."""
    return row.found.node or row.found.where


def places_of(rows: Sequence[CertificateRow]) -> str:
    """The place that all rows share, or the number of places and the first few."""
    places = list(dict.fromkeys(map(place_of, rows)))
    few = named(places, most=NAMES)
    return few if len(places) == 1 else f"{len(places)} places ({few})"
