"""Machines that cannot be told from one another: what an id or a key that two nodes share is worth. Pure."""

from collections.abc import Iterable, Sequence
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
    keys = {each.node.name: each.host_key for each in facts}
    return shared_identities(
        MachineIdentity(node.name, node.status.node_info.machine_id, keys.get(node.name, ""))
        for node in nodes
    )


def without_shared_keys(facts: NodeFacts, shared: Iterable[SharedIdentity]) -> NodeFacts:
    """The same facts; no address is confirmed by an ssh host key that another node has as well.

    Whoever holds the key of a cloned machine can answer for each of them.
    """
    if facts.node.name not in sharing(shared, HOST_KEY):
        return facts
    kept: dict[str, NameSource] = {
        value: source
        for value, source in facts.confirmed.items()
        if source is not NameSource.SSH_HOST_KEY
    }
    return replace(facts, confirmed=kept)
