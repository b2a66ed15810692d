"""How many CSRs of one node may be approved: six at once, then one in ten minutes. It holds that node's CSRs only.

A kubelet asks once for a certificate's life; a node that asks more often is broken, or somebody collects certificates.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

AT_ONCE: Final = 6
ONE_MORE_IN: Final = timedelta(minutes=10)
_PRUNE_FROM: Final = 1_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: datetime
    spent_by: deque[str] = field(default_factory=lambda: deque(maxlen=2 * AT_ONCE))

    def level_at(self, at: datetime) -> float:
        return min(float(AT_ONCE), self.level + max(timedelta(), at - self.at) / ONE_MORE_IN)


class ApprovalBudget:
    """The budgets of all nodes, by name. A node that has not been heard of has its whole budget."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._prune_at = _PRUNE_FROM

    def spend(self, node: str, csr_uid: str, at: datetime) -> None:
        """A CSR of this node was approved then. Told twice of the same CSR, it counts once."""
        bucket = self._buckets.get(node)
        if bucket is None:
            self._prune(at)
            bucket = self._buckets[node] = _Bucket(float(AT_ONCE), at)
        if csr_uid in bucket.spent_by:
            return
        bucket.spent_by.append(csr_uid)
        bucket.level = max(0.0, bucket.level_at(at) - 1)
        bucket.at = max(bucket.at, at)

    def left(self, node: str, at: datetime) -> int:
        """How many may be approved now."""
        bucket = self._buckets.get(node)
        return AT_ONCE if bucket is None else int(bucket.level_at(at) + 1e-6)

    def wait(self, node: str, at: datetime) -> timedelta:
        """How long until one more may be approved; nothing if one may be now."""
        bucket = self._buckets.get(node)
        if bucket is None:
            return timedelta()
        return max(timedelta(), (1 - bucket.level_at(at)) * ONE_MORE_IN)

    def _prune(self, at: datetime) -> None:
        if len(self._buckets) < self._prune_at:
            return
        full = [name for name, each in self._buckets.items() if each.level_at(at) >= AT_ONCE]
        for name in full:
            del self._buckets[name]
        self._prune_at = max(_PRUNE_FROM, 2 * len(self._buckets))
