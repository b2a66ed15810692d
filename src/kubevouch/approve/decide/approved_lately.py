"""What was approved for nodes lately, by value: of two that ask for one address in a burst only one may get it.

What other nodes claim comes from a watch, which may be silent for minutes before anybody notices. By then two nodes could have
got certificates with one address, each because nobody had seen the other's claim. An approval is remembered as soon as it is
decided, before it is written, until every watch has shown the claim or has been listed anew.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from kubevouch.policy.claims import AskedNames, Claim, NameSource
from kubevouch.policy.written import Owned, WrittenClaims

KEPT: Final = timedelta(minutes=5)
"""A watch that is silent for 150 seconds is begun anew (kube.io.watch), and a list takes some seconds more."""

_MOST_OF_A_NODE: Final = 96
"""Names and addresses: of six CSRs, which is a node's budget. Others may approve more than that, and what is newest counts."""


class ApprovedLately:
    """What nodes were approved for within the last minutes. No proof that it is theirs: it holds what is not written down."""

    def __init__(self) -> None:
        self._claims = WrittenClaims()
        self._of: dict[str, tuple[datetime, tuple[Claim, ...]]] = {}

    def put(self, node: str, asked: AskedNames, at: datetime) -> None:
        """A CSR of this node was approved then, or is about to be."""
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
        """The watch has shown that the Node is gone: it has caught up with whatever was approved for it."""
        if self._of.pop(node, None) is not None:
            self._claims.put(node, ())

    def among(self, asked: AskedNames, at: datetime) -> Iterator[Owned]:
        """What of the values that are asked for was approved lately."""
        for owner, claim in self._claims.among(asked):
            if at - self._of[owner][0] < KEPT:
                yield owner, claim

    def _forget(self, at: datetime) -> None:
        """Those that were put first go when they are old: few are looked at each time."""
        while at - next(iter(self._of.values()))[0] >= KEPT:
            self.gone(next(iter(self._of)))
