"""Machine-ids and ssh host keys that several nodes share, and so prove nothing. Pure."""

from collections.abc import Collection, Iterable, Mapping

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.machines import (
    MachineIdentity,
    SharedIdentity,
    shared_identities,
)


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
