"""What nodes have, kept up to date Node by Node: for one CSR only what it asks for is looked up.

`claims.other_nodes_of` goes through all nodes for each CSR, so that a thousand CSRs of a thousand nodes cost a million
steps. Whatever is asked, the answers are the same.
"""

from collections.abc import Collection, Iterable
from itertools import count

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    Address,
    AskedNames,
    Claim,
    ClaimedBy,
    OtherNodes,
    compared,
    written_by,
)
from kubevouch.x509 import unmapped

_Value = str | Address
"""A name in lower case, or an address in its plainest form."""


class NodeIndex:
    """Who claims each name and address. Several nodes may claim one; the Node that came first is named then."""

    def __init__(self) -> None:
        self._claimed: dict[str, tuple[_Value, ...]] = {}
        self._order: dict[str, int] = {}
        self._claimants: dict[_Value, str | set[str]] = {}
        """One name, as almost always, without a set around it: half a kilobyte less for each node."""
        self._named: dict[_Value, str] = {}
        self._numbers = count()

    def put(self, node: Node) -> None:
        """The Node as it is now; the same name again replaces what it claimed."""
        self._forget(node.name)
        self._order.setdefault(node.name, next(self._numbers))
        values = (compared(each.address) for each in node.status.addresses if each.address)
        self._claimed[node.name] = claims = tuple(dict.fromkeys(values))
        for value in claims:
            known = self._claimants.setdefault(value, node.name)
            if isinstance(known, set):
                known.add(node.name)
            elif known != node.name:
                self._claimants[value] = {known, node.name}
        self._named[compared(node.name)] = node.name

    def remove(self, name: str) -> None:
        """The Node is gone. One that is not there is no error."""
        self._forget(name)
        self._order.pop(name, None)

    def others(
        self,
        node: str,
        asked: AskedNames,
        shared: Collection[Address] = (),
        pinned: Iterable[tuple[str, Claim]] = (),
    ) -> OtherNodes:
        """What all nodes but `node` have of what is asked for.

        See `claims.other_nodes_of` for shared and pinned. What is written down for nodes is kept by `WrittenClaims`.
        """
        names: dict[str, ClaimedBy] = {}
        addresses: dict[Address, ClaimedBy] = {}
        written = [(written_by(owner, claim), compared(claim.value)) for owner, claim in pinned]
        for name in {each.lower() for each in asked.names}:
            if found := self._owner(node, name, written):
                names[name] = found
        for address in {unmapped(each) for each in asked.addresses}:
            if address not in shared and (found := self._owner(node, address, written)):
                addresses[address] = found
        return OtherNodes(names=names, addresses=addresses)

    def _owner(
        self, node: str, value: _Value, written: Iterable[tuple[ClaimedBy, _Value]]
    ) -> ClaimedBy | None:
        found: ClaimedBy | None = None
        known = self._claimants.get(value, set())
        claimants = ({known} if isinstance(known, str) else known) - {node}
        if claimants:
            found = ClaimedBy(min(claimants, key=self._order.__getitem__), proven=False)
        if (named := self._named.get(value)) and named != node:
            found = ClaimedBy(named, proven=True, by_name=True)
        for owner, pinned in written:
            if pinned == value and owner.node != node and owner.goes_before(found):
                found = owner
        return found

    def _forget(self, name: str) -> None:
        for value in self._claimed.pop(name, ()):
            claimants = self._claimants[value]
            if isinstance(claimants, set):
                claimants.discard(name)
            if not claimants or claimants == name:
                del self._claimants[value]
        if self._named.get(compared(name)) == name:
            del self._named[compared(name)]
