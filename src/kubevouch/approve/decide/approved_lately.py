"""Recent approvals of each node: how many CSRs, and which names and addresses.

A node gets up to six certificates in a burst, then one every ten minutes. A kubelet normally
needs only one per certificate lifetime. If a node requests more, it is broken, or somebody collects
certificates. If two nodes request the same address at the same time, only one may get it.

Which node has an address is known from watches, which may be silent for minutes before we notice.
Meanwhile two nodes could get certificates with the same address. So an approval is remembered, even
before it is written, until every watch has shown the address or has sent a new list.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kubevouch.policy.claims import AskedNames, Claim, NameSource
from kubevouch.policy.csr import Csr, requestor_node
from kubevouch.policy.node_index import Owned, WrittenClaims
from kubevouch.x509 import PublicKey

AT_ONCE: Final = 6
ONE_MORE_IN: Final = timedelta(minutes=10)
_PRUNE_FROM: Final = 1_000

KEPT: Final = timedelta(minutes=5)
"""How long an approval is remembered. A silent watch restarts after 150 seconds (kube.io.watch),
and a list takes some seconds more."""

_MOST_OF_A_NODE: Final = 96
"""How many names and addresses to keep per node: enough for its budget of six CSRs. If other
clients approve more CSRs, the newest values are kept."""


class ApprovedLately:
    """The names and addresses in CSRs that were approved in the last minutes, by node.

    An approval does not prove that the node owns them, so they are kept in memory only.
    """

    def __init__(self) -> None:
        self._claims = WrittenClaims()
        self._of: dict[str, tuple[datetime, tuple[Claim, ...]]] = {}

    def put(self, node: str, asked: AskedNames, at: datetime) -> None:
        """Adds an approval of this node's CSR, even if it is not yet written."""
        before = self._of.pop(node, (at, ()))
        values = (*asked.names, *map(str, asked.addresses))
        claims = tuple(
            dict.fromkeys((*before[1], *(Claim(v, NameSource.NODE_STATUS) for v in values)))
        )[-_MOST_OF_A_NODE:]
        self._of[node] = max(at, before[0]), claims
        if claims != before[1]:
            self._claims.put(node, claims)
        self._forget(at)

    def gone(self, node: str) -> None:
        """Drops a node's approvals, because the watch shows that its Node is gone."""
        if self._of.pop(node, None) is not None:
            self._claims.put(node, ())

    def among(self, asked: AskedNames, at: datetime) -> Iterator[Owned]:
        """The requested values that were recently approved, each with the node that requested it then."""
        for owner, claim in self._claims.among(asked):
            if at - self._of[owner][0] < KEPT:
                yield owner, claim

    def _forget(self, at: datetime) -> None:
        """Drops old entries, least recently changed first, so that each call checks only a few."""
        while at - next(iter(self._of.values()))[0] >= KEPT:
            self.gone(next(iter(self._of)))


@dataclass(slots=True)
class _Bucket:
    level: float
    at: datetime
    spent_by: deque[str] = field(default_factory=lambda: deque(maxlen=2 * AT_ONCE))

    def level_at(self, at: datetime) -> float:
        return min(float(AT_ONCE), self.level + max(timedelta(), at - self.at) / ONE_MORE_IN)


class ApprovalBudget:
    """The approval budgets of all nodes, by name. An unknown node has its whole budget."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._prune_at = _PRUNE_FROM

    def spend(self, node: str, csr_uid: str, at: datetime) -> None:
        """Counts an approval of this node's CSR, only once for each CSR."""
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
        """How many CSRs of the node may be approved now."""
        bucket = self._buckets.get(node)
        return AT_ONCE if bucket is None else int(bucket.level_at(at) + 1e-6)

    def wait(self, node: str, at: datetime) -> timedelta:
        """The time until one more CSR may be approved; zero if one may be approved now."""
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


MOST_KEYS: Final = 16
"""How many public keys to keep per node. If a node uses more, its oldest keys are dropped."""

MOST_NODES: Final = 20_000
"""How many node names to keep; the oldest are dropped. With a bootstrap token, anybody can request any
number of names, as fast as the signer signs."""


class ShownKeys:
    """Which nodes have used which public keys in CSRs, by the keys' hashes."""

    def __init__(self) -> None:
        self._nodes_by_key: dict[str, set[str]] = {}
        self._keys_by_node: dict[str, list[str]] = {}

    def put(self, csr: Csr) -> None:
        """Records the CSR's public key for its node.

        Ignores a CSR with another node's subject: the requestor may have copied the other node's
        CSR, which every node can read. Also ignores a CSR whose encoding differs from a kubelet's.
        Other rules hold these CSRs.
        """
        node = requestor_node(csr)
        if node is None or csr.parsed is None or csr.parsed.subject.common_name != csr.username:
            return
        if csr.parsed.quirk:
            return
        key = _key_id(csr.parsed.key)
        keys = self._keys_by_node.setdefault(node, [])
        if key in keys:
            return
        keys.append(key)
        self._nodes_by_key.setdefault(key, set()).add(node)
        self._forget(node, keys[:-MOST_KEYS])
        del keys[:-MOST_KEYS]
        if len(self._keys_by_node) > MOST_NODES:
            oldest = next(iter(self._keys_by_node))
            self._forget(oldest, self._keys_by_node.pop(oldest))

    def shown_by(self, csr: Csr) -> frozenset[str] | None:
        """The nodes that have used this CSR's public key; None if the CSR is unreadable."""
        if csr.parsed is None:
            return None
        return frozenset(self._nodes_by_key.get(_key_id(csr.parsed.key), ()))

    def _forget(self, node: str, keys: list[str]) -> None:
        for key in keys:
            nodes = self._nodes_by_key[key]
            nodes.discard(node)
            if not nodes:
                del self._nodes_by_key[key]


def _key_id(key: PublicKey) -> str:
    """A hash of the key, independent of its encoding."""
    numbers = f"{key.algorithm}/{key.curve}/{key.modulus:x}/{key.exponent:x}/"
    return hashlib.sha256(numbers.encode() + key.point).hexdigest()
