"""From when on a certificate is worth a word, and from when on it fails: by the time that is left, or by the life used."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.inventory.rows import IN_TIME, CertificateRow, RowState

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
    """warn, fail: from when on. What is not valid, or not there, fails whatever they say. fail: None for that only.

    What a kubelet has made for itself is a warning: as kubeadm leaves a cluster, nobody has tried to verify it.
    """

    warn: LifeLimit = WARN
    fail: LifeLimit | None = None

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
