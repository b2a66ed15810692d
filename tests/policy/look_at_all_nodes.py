"""What other nodes have, by a look at all of them: what the index of nodes has to answer as."""

from collections.abc import Iterable

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    Address,
    Claim,
    ClaimedBy,
    OtherNodes,
    as_address,
    written_by,
)


def other_nodes_of(
    node: str,
    nodes: Iterable[Node],
    shared: frozenset[Address],
    pinned: Iterable[tuple[str, Claim]] = (),
) -> OtherNodes:
    """What all nodes but `node` have. Proven are a Node's own name and what is pinned; the rest they say themselves.

    shared: addresses that several kubelets have at ports of their own (ReservedNames.shared): no node's in particular.
    pinned: (node, claim) that a plan or an operator gives to nodes.
    """
    found = tuple(nodes)
    claims = [
        (ClaimedBy(each.name, proven=False), claim.address)
        for each in found
        for claim in each.status.addresses
    ]
    claims += [(ClaimedBy(each.name, proven=True, by_name=True), each.name) for each in found]
    claims += [(written_by(owner, claim), claim.value) for owner, claim in pinned]
    names: dict[str, ClaimedBy] = {}
    addresses: dict[Address, ClaimedBy] = {}
    for owner, value in claims:
        if owner.node == node or not value:
            continue
        address = as_address(value)
        if address is None:
            if owner.goes_before(names.get(value.lower())):
                names[value.lower()] = owner
        elif address not in shared and owner.goes_before(addresses.get(address)):
            addresses[address] = owner
    return OtherNodes(names=names, addresses=addresses)
