"""Question two of a plan: which names and addresses is a node entitled to? The policy is asked; here is what is asked of it.

Asked when the plan is made, about what the node claims and what was proven of it; asked again before a plan is carried
out, about what the plan says: a plan is a file, and whoever can write it must not be able to give names away. What the operator
states for one run is never kept in a plan.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kubevouch.evidence.names import ClusterNames, Network, with_more
from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, NameSource
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.machines import MachineIdentity, SharedIdentity, shared_identities
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.written import WrittenClaims


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


@dataclass(frozen=True)
class OperatorWord:
    """Facts that the cluster does not state, by the operator's word.

    domains, service_networks: the cluster's DNS domain and the network of Services. without_credential_id: it is
    accepted that this API server (older than Kubernetes 1.32) does not tell with which credential a CSR was made.
    """

    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()
    without_credential_id: bool = False


NO_WORD = OperatorWord()


def names_with_word(
    names: ClusterNames, word: OperatorWord, domains: Iterable[str]
) -> ClusterNames:
    """The cluster's own names, and what the operator tells besides.

    domains: the clusterDomain of the surveyed kubelets. They count only where neither the cluster nor the operator tells one: no name
    that ends so is a node's, and root on one node could take away the names of all others by it.
    """
    known = (*names.domains, *word.domains)
    told = word.domains if known else domains
    return with_more(names, domains=told, service_networks=word.service_networks)
