"""Checks which names and addresses a node may have according to the policy.

When a plan is made, the policy checks the node's claims and their proofs. Before a plan is carried
out, the policy checks the plan's values again: anybody may have edited the file, and it must not
give a node another node's names. What the operator states with options (`OperatorWord`) is never
part of a plan.
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
    """The names and addresses that a node must not have: those of other nodes, and reserved names.

    nodes: all Nodes of the cluster. pinned: the proven names and addresses of the planned nodes;
    empty while a plan is made.
    """

    nodes: NodeIndex
    reserved: ReservedNames
    pinned: WrittenClaims = field(default_factory=WrittenClaims)


def not_entitled(allowed: AllowedNames, neighbours: Neighbours) -> str:
    """Why the policy would hold a CSR with all these names and addresses; empty if it would not."""
    reserved, asked = neighbours.reserved, allowed.asked
    pinned = neighbours.pinned.among(asked)
    others = neighbours.nodes.others(allowed.node, asked, reserved.shared, pinned)
    decision = decide_entitlement(allowed, others, reserved)
    if decision.outcome is Outcome.PASS:
        return ""
    hints = " ".join(f"--allow {allowed.node}={value}" for value in decision.operator_may_allow)
    return f"the node's CSR would be held: {decision.why}" + (
        f"; if you know that the node owns this, add {hints} to kubevouch plan" if hints else ""
    )


def shared_among(nodes: Iterable[Node], host_keys: Mapping[str, str]) -> tuple[SharedIdentity, ...]:
    """Finds machine-ids that Nodes share, and ssh host keys that surveyed nodes share."""
    return shared_identities(
        MachineIdentity(node.name, node.status.node_info.machine_id, host_keys.get(node.name, ""))
        for node in nodes
    )


def without_shared_keys(
    node: str, confirmed: Mapping[str, NameSource], cloned: Collection[str]
) -> dict[str, NameSource]:
    """A node's proven addresses, without those proven only by a host key that another node also has.

    Any machine with that key could answer at such an address. cloned: all nodes with a shared key.
    """
    return {
        value: source
        for value, source in confirmed.items()
        if node not in cloned or source is not NameSource.SSH_HOST_KEY
    }


@dataclass(frozen=True)
class OperatorWord:
    """What the operator states with options because it cannot be read from the cluster.

    domains: the cluster's DNS domains. service_networks: the Service CIDRs. without_credential_id:
    the operator accepts that this API server (before Kubernetes 1.32) does not record which
    credential created a CSR.
    """

    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()
    without_credential_id: bool = False


NO_WORD = OperatorWord()


def names_with_word(
    names: ClusterNames, word: OperatorWord, domains: Iterable[str]
) -> ClusterNames:
    """The cluster's names, including those that the operator states.

    domains: the surveyed kubelets' clusterDomain values. They are used only if neither the cluster
    nor the operator states a domain. Names below a domain are reserved. So with a false
    clusterDomain, root on one node could reserve the other nodes' names.
    """
    known = (*names.domains, *word.domains)
    more = word.domains if known else domains
    return with_more(names, domains=more, service_networks=word.service_networks)
