"""Indexes of the names and addresses that nodes have, updated node by node.

Without indexes, checking 1,000 CSRs from 1,000 nodes would take a million steps.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import count

from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import (
    Address,
    AskedNames,
    Claim,
    ClaimedBy,
    OtherNodes,
    compared,
    written_by,
)
from kubevouch.policy.csr import CREDENTIAL_ID, Csr, certificate_id
from kubevouch.policy.reserved import ReservedNames, reserved_of
from kubevouch.x509 import unmapped

Value = str | Address
"""A name or an address in the form that `compared` returns."""

Owned = tuple[str, Claim]
"""A node's name, and one of its claims, for example from a pin."""


class WrittenClaims:
    """The claims of nodes, such as those from pins and records, indexed by name or address."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Claim, ...]] = {}
        self._by_value: dict[Value, tuple[Owned, ...]] = {}

    def put(self, node: str, claims: tuple[Claim, ...]) -> set[Value]:
        """Replaces a node's claims; () removes them.

        Returns the values of the old and the new claims.
        """
        before = self._of.pop(node, ())
        for claim in before:
            value = compared(claim.value)
            kept = tuple(each for each in self._by_value.get(value, ()) if each[0] != node)
            if kept:
                self._by_value[value] = kept
            else:
                self._by_value.pop(value, None)
        # A node with the same value in two sources is listed twice.
        if claims:
            self._of[node] = claims
        for claim in claims:
            value = compared(claim.value)
            self._by_value[value] = (*self._by_value.get(value, ()), (node, claim))
        return {compared(claim.value) for claim in (*before, *claims)}

    def among(self, asked: AskedNames) -> Iterator[Owned]:
        """All claims to the requested names and addresses, each with its node."""
        for name in asked.names:
            yield from self._by_value.get(name.lower(), ())
        for address in asked.addresses:
            yield from self._by_value.get(unmapped(address), ())


_Holders = dict[Value, str | set[str]]
"""For each value, the names of the nodes that have it. A single name is stored as a plain `str`,
which saves half a kilobyte per node."""


class NodeIndex:
    """Which nodes claim each name and address.

    If several nodes claim a value, `others` reports only the node that was added first. Nodes whose
    names differ only by case count as different nodes.
    """

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._claimed: dict[str, tuple[Value, ...]] = {}
        self._order: dict[str, int] = {}
        self._claimants: _Holders = {}
        self._named: _Holders = {}
        self._numbers = count()
        for each in nodes:
            self.put(each)

    def put(self, node: Node) -> None:
        """Adds a Node, or replaces the Node with the same name."""
        self._forget(node.name)
        self._order.setdefault(node.name, next(self._numbers))
        values = (compared(each.address) for each in node.status.addresses if each.address)
        self._claimed[node.name] = claims = tuple(dict.fromkeys(values))
        for value in claims:
            _add(self._claimants, value, node.name)
        _add(self._named, compared(node.name), node.name)

    def remove(self, name: str) -> None:
        """Removes the Node, if the index has it."""
        self._forget(name)
        self._order.pop(name, None)

    def called(self, name: str) -> frozenset[str]:
        """The Nodes with this name, which may be an address.

        Several Nodes have it only if their names differ by case.
        """
        return _who(self._named, compared(name))

    def claimants(self, value: Value) -> frozenset[str]:
        """The nodes whose status claims this name or address."""
        return _who(self._claimants, value)

    def others(
        self,
        node: str,
        asked: AskedNames,
        shared: Collection[Address] = (),
        pinned: Iterable[tuple[str, Claim]] = (),
    ) -> OtherNodes:
        """Which of the requested values other nodes have or claim.

        A Node's name and a pinned value are proven. A value in a Node's status is only claimed.

        shared: addresses that several kubelets use on different ports (ReservedNames.shared), so
        no node owns them. pinned: (node, claim) pairs from a plan, an operator or `WrittenClaims`.
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
        self, node: str, value: Value, written: Iterable[tuple[ClaimedBy, Value]]
    ) -> ClaimedBy | None:
        found: ClaimedBy | None = None
        if claimants := self.claimants(value) - {node}:
            found = ClaimedBy(min(claimants, key=self._order.__getitem__), proven=False)
        if named := _who(self._named, value) - {node, ""}:
            last = max(named, key=self._order.__getitem__)
            found = ClaimedBy(last, proven=True, by_name=True)
        for owner, pinned in written:
            if pinned == value and owner.node != node and owner.goes_before(found):
                found = owner
        return found

    def _forget(self, name: str) -> None:
        for value in self._claimed.pop(name, ()):
            _take(self._claimants, value, name)
        _take(self._named, compared(name), name)


def _who(holders: Mapping[Value, str | set[str]], value: Value) -> frozenset[str]:
    known = holders.get(value, ())
    return frozenset([known] if isinstance(known, str) else known)


def _add(holders: _Holders, value: Value, name: str) -> None:
    known = holders.setdefault(value, name)
    if isinstance(known, set):
        known.add(name)
    elif known != name:
        holders[value] = {known, name}


def _take(holders: _Holders, value: Value, name: str) -> None:
    known = holders.get(value)
    if isinstance(known, set):
        known.discard(name)
    if not known or known == name:
        holders.pop(value, None)


def tell_credentials(csrs: Iterable[CertificateSigningRequest]) -> bool:
    """Whether any CSR contains its requestor's credential ID."""
    return any(certificate_id(each.spec.extra.get(CREDENTIAL_ID, ())) for each in csrs)


class IndexedEvidence:
    """A snapshot of the cluster. Each index is built on first use."""

    def __init__(self, evidence: PolicyEvidence) -> None:
        self._evidence = evidence

    @property
    def knows_nodes(self) -> bool:
        """Whether the Nodes could be read."""
        return self._evidence.nodes.value is not None

    def node(self, name: str) -> Node | None:
        """The Node with this name, or None."""
        return self._nodes.get(name)

    @cached_property
    def claimed(self) -> NodeIndex:
        """What each Node claims; empty if the Nodes could not be read."""
        return NodeIndex(self._evidence.nodes.or_else(()))

    @cached_property
    def reserved(self) -> ReservedNames:
        """The cluster's own names and addresses."""
        return reserved_of(self._evidence.names, self._evidence.nodes.or_else(()))

    @cached_property
    def tells_credentials(self) -> bool:
        """Whether any CSR contains its requestor's credential ID."""
        return tell_credentials(self._evidence.csrs.or_else(()))

    def newest(self, csr: Csr) -> str | None:
        """The name of the newest serving CSR by the same user with the same credential.

        The user's CSRs with another credential do not supersede it.
        """
        return self._newest.get((csr.username, csr.credential_ids))

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {each.name: each for each in self._evidence.nodes.or_else(())}

    @cached_property
    def _newest(self) -> dict[tuple[str | None, tuple[str, ...]], str]:
        return {
            (each.spec.username, each.spec.extra.get(CREDENTIAL_ID, ())): each.name
            for each in self._evidence.csrs.or_else(())
        }
