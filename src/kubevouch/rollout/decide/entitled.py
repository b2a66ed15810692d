"""Question two of a plan: which names and addresses is a node entitled to? The policy is asked; here is what is asked of it.

Asked when the plan is made, about what the node claims and what was proven of it; asked again before a plan is carried
out, about what the plan says: a plan is a file, and whoever can write it must not be able to give names away.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, NameSource
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.machines import MachineIdentity, SharedIdentity, shared_identities
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.policy.reserved import ReservedNames


@dataclass(frozen=True)
class Neighbours:
    """What the nodes of a cluster have and what none may have, to be looked up for one node after the other.

    nodes: all of the cluster. pinned: what a plan gives to its nodes.
    """

    nodes: NodeIndex
    reserved: ReservedNames
    pinned: WrittenClaims = field(default_factory=WrittenClaims)


def not_entitled(allowed: AllowedNames, neighbours: Neighbours) -> str:
    """Why a CSR for all of these names and addresses would be held; empty if the node is entitled to them."""
    reserved, asked = neighbours.reserved, allowed.asked
    pinned = neighbours.pinned.among(asked)
    others = neighbours.nodes.others(allowed.node, asked, reserved.shared, pinned)
    decision = decide_entitlement(allowed, others, reserved)
    if decision.outcome is Outcome.PASS:
        return ""
    hints = " ".join(f"--allow {allowed.node}={value}" for value in decision.operator_may_allow)
    return f"its CSR would be held: {decision.why}" + (f"; if it is so: {hints}" if hints else "")


def shared_among(nodes: Iterable[Node], host_keys: Mapping[str, str]) -> tuple[SharedIdentity, ...]:
    """The machine-ids of all nodes of the cluster, and the ssh host keys of those that were surveyed, compared."""
    return shared_identities(
        MachineIdentity(node.name, node.status.node_info.machine_id, host_keys.get(node.name, ""))
        for node in nodes
    )


def without_shared_keys(
    node: str, confirmed: Mapping[str, NameSource], cloned: Collection[str]
) -> dict[str, NameSource]:
    """The addresses of a node that are proven, less those that only a host key proves which another node has as well.

    Whoever holds the key of a cloned machine can answer for each of them. cloned: all nodes with such a key.
    """
    return {
        value: source
        for value, source in confirmed.items()
        if node not in cloned or source is not NameSource.SSH_HOST_KEY
    }
