"""Question two of a plan: which names and addresses may a node have? This file asks the policy.

It asks when the plan is made, about the node's claims and their proofs. It asks again before a plan
is carried out, about the plan's values: a plan is a file, and its author must not be able to give
names away. The operator's statements for one run are never kept in a plan.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kubevouch.evidence.names import ClusterNames, Network, with_more
from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, NameSource
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.machines import MachineIdentity, SharedIdentity, shared_identities
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.policy.reserved import ReservedNames


@dataclass(frozen=True)
class Neighbours:
    """The values of a cluster's nodes and the reserved ones, indexed for many nodes.

    nodes: all of the cluster. pinned: what a plan gives to its nodes.
    """

    nodes: NodeIndex
    reserved: ReservedNames
    pinned: WrittenClaims = field(default_factory=WrittenClaims)


def not_entitled(allowed: AllowedNames, neighbours: Neighbours) -> str:
    """Why the policy would hold a CSR for all these names and addresses; empty if the node may have them."""
    reserved, asked = neighbours.reserved, allowed.asked
    pinned = neighbours.pinned.among(asked)
    others = neighbours.nodes.others(allowed.node, asked, reserved.shared, pinned)
    decision = decide_entitlement(allowed, others, reserved)
    if decision.outcome is Outcome.PASS:
        return ""
    hints = " ".join(f"--allow {allowed.node}={value}" for value in decision.operator_may_allow)
    return f"its CSR would be held: {decision.why}" + (f"; if it is so: {hints}" if hints else "")


def shared_among(nodes: Iterable[Node], host_keys: Mapping[str, str]) -> tuple[SharedIdentity, ...]:
    """The machine-ids of all nodes of the cluster, and the surveyed nodes' ssh host keys, compared."""
    return shared_identities(
        MachineIdentity(node.name, node.status.node_info.machine_id, host_keys.get(node.name, ""))
        for node in nodes
    )


def without_shared_keys(
    node: str, confirmed: Mapping[str, NameSource], cloned: Collection[str]
) -> dict[str, NameSource]:
    """A node's proven addresses, without those proven only by a host key that another node also has.

    The holder of a cloned machine's key can answer for each of them. cloned: all nodes with such a
    key.
    """
    return {
        value: source
        for value, source in confirmed.items()
        if node not in cloned or source is not NameSource.SSH_HOST_KEY
    }


@dataclass(frozen=True)
class OperatorWord:
    """Facts that the cluster does not state, by the operator's word.

    domains, service_networks: the cluster's DNS domain and the network of Services.
    without_credential_id: the operator accepts that this API server (older than Kubernetes 1.32)
    does not say which credential made a CSR.
    """

    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()
    without_credential_id: bool = False


NO_WORD = OperatorWord()


def names_with_word(
    names: ClusterNames, word: OperatorWord, domains: Iterable[str]
) -> ClusterNames:
    """The cluster's own names, and those by the operator's word.

    domains: the surveyed kubelets' clusterDomain. They count only if neither the cluster nor the
    operator states one. No node may have a name below such a domain, so root on one node could take
    away all others' names.
    """
    known = (*names.domains, *word.domains)
    told = word.domains if known else domains
    return with_more(names, domains=told, service_networks=word.service_networks)
