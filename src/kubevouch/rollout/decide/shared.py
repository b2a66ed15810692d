"""Machines that cannot be told from one another: what an id or a key that two nodes share is worth. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.machines import (
    HOST_KEY,
    MachineIdentity,
    SharedIdentity,
    shared_identities,
    sharing,
)
from kubevouch.rollout.decide.assess import NodeFacts


def shared_among(nodes: Iterable[Node], facts: Sequence[NodeFacts]) -> tuple[SharedIdentity, ...]:
    """The machine-ids of all nodes of the cluster, and the ssh host keys that answered for some, compared."""
    return shared_machines(nodes, {each.node.name: each.host_key for each in facts})


def shared_machines(
    nodes: Iterable[Node], host_keys: Mapping[str, str]
) -> tuple[SharedIdentity, ...]:
    """The machine-ids of all nodes of the cluster, and the ssh host keys of some, by node, compared."""
    return shared_identities(
        MachineIdentity(node.name, node.status.node_info.machine_id, host_keys.get(node.name, ""))
        for node in nodes
    )


def without_shared_keys(facts: NodeFacts, shared: Iterable[SharedIdentity]) -> NodeFacts:
    """The same facts; no address is confirmed by an ssh host key that another node has as well."""
    if facts.node.name not in sharing(shared, HOST_KEY):
        return facts
    return replace(facts, confirmed=without_shared_key(facts.confirmed))


def without_shared_key(proven: Mapping[str, NameSource]) -> dict[str, NameSource]:
    """What is proven by more than an ssh host key: whoever holds the key of a cloned machine can answer for each of them."""
    return {
        value: source for value, source in proven.items() if source is not NameSource.SSH_HOST_KEY
    }
