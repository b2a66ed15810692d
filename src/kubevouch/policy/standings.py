"""The standings of all nodes' client certificates, as their CSRs and Nodes are watched. No I/O: it is told what is seen."""

from collections.abc import Callable, Collection, Mapping

import msgspec

from kubevouch.policy.client_csr import ClientCsr, certificate_id
from kubevouch.policy.standing import LiveNode, NodeStanding
from kubevouch.policy.standing_answer import StandingAnswer, standing_of
from kubevouch.policy.standing_folded import folded, of_node

MOST_WAITING = 1_000
"""Names without a Node that are remembered. Anybody with a bootstrap token can ask for any number of names."""

MOST_GONE = 5_000
"""Names of which there was a Node that are remembered. Only operators and cloud providers delete Nodes."""


def _nobody(_: str) -> Collection[str]:
    return ()


class Standings:
    """What is known of every node, by name.

    vouched: the client certificates that an operator has pinned as a node's own. After a gap in the watch nobody knows
    whether every client certificate was seen, so what is not listed is unknown from then on, and no longer held.
    """

    def __init__(
        self,
        known: Mapping[str, NodeStanding] | None = None,
        vouched: Callable[[str], Collection[str]] = _nobody,
    ) -> None:
        self._known: dict[str, NodeStanding] = {}
        self._waiting: dict[str, NodeStanding] = {}
        """Names that were asked for, and never had a Node."""

        self._gone: dict[str, NodeStanding] = {}
        self._forgotten: set[str] = set()
        self._vouched = vouched
        self._overflowed = False
        self.told = any(
            each.parent for standing in (known or {}).values() for each in standing.credentials
        )
        """Whether a CSR has said which client certificate made it: the API server does so of every one, then (since 1.32)."""

        for name, standing in (known or {}).items():
            self._keep(name, standing)

    def csr(self, csr: ClientCsr, node: LiveNode | None) -> bool:
        """A client certificate was issued. node: the Node of its name, if there is one. Whether that is news."""
        self.told = self.told or bool(certificate_id(csr.credential_ids))
        before = self._of(csr.node)
        after = folded(before, csr, node, self._vouched(csr.node))
        self._keep(csr.node, after)
        return after != before

    def node(self, node: LiveNode) -> bool:
        """A Node is there. Whether that is news."""
        before = self._of(node.name)
        after = of_node(before, node)
        self._keep(node.name, after)
        return after != before

    def gone(self, name: str) -> None:
        """The Node is gone. Its client certificates are for the name, and so may be those of the next Node of it."""
        known = self._of(name)
        if known.uid:
            self._keep(name, known.left())

    def gap(self) -> None:
        """Somebody may have got a client certificate while nobody watched."""
        for kept in (self._known, self._waiting, self._gone):
            for name, known in kept.items():
                kept[name] = msgspec.structs.replace(known, whole=False)

    def of(
        self,
        node: LiveNode,
        credential_ids: Collection[str] | None,
        *,
        told: bool = False,
        admitted: bool = False,
    ) -> StandingAnswer:
        """The standing of the credential that made a serving CSR of this Node. See `policy.standing_answer.standing_of`."""
        known, vouched = self._of(node.name), self._vouched(node.name)
        told = told or self.told
        return standing_of(known, node, credential_ids, vouched, told=told, admitted=admitted)

    def known(self, name: str) -> NodeStanding:
        """What is to be stored of a node."""
        return self._of(name)

    def take_forgotten(self) -> set[str]:
        """The names of Nodes that are gone that have been forgotten since this was asked last."""
        forgotten, self._forgotten = self._forgotten, set()
        return forgotten

    def _of(self, name: str) -> NodeStanding:
        found = self._known.get(name) or self._gone.get(name) or self._waiting.get(name)
        return found or NodeStanding(crowded=self._overflowed)

    def _keep(self, name: str, known: NodeStanding) -> None:
        for kept in (self._known, self._waiting, self._gone):
            kept.pop(name, None)
        self._forgotten.discard(name)
        if known.uid:
            self._known[name] = known
        elif known.earlier:
            self._gone[name] = known
        else:
            self._waiting[name] = known
        if len(self._waiting) > MOST_WAITING:
            # The next Node of that name cannot be told from one whose name was borrowed before it joined.
            del self._waiting[next(iter(self._waiting))]
            self._overflowed = True
        if len(self._gone) > MOST_GONE:
            oldest = next(iter(self._gone))
            self._overflowed |= self._gone.pop(oldest).has_suspects
            self._forgotten.add(oldest)
