"""Finds machine-ids and ssh host keys that several nodes share. These cannot identify a node.

Machines cloned from one image share both until somebody regenerates them.
"""

from collections.abc import Iterable

import msgspec


class MachineIdentity(msgspec.Struct, frozen=True):
    """The machine-id and the ssh host key of a node's machine; "" if unknown."""

    node: str
    machine_id: str = ""
    """From the Node's status (nodeInfo.machineID), or from /etc/machine-id."""

    host_key: str = ""
    """Fingerprint of the ssh host key."""


class SharedIdentity(msgspec.Struct, frozen=True):
    """A machine-id or ssh host key, and the names of the nodes that share it, sorted."""

    what: str
    """MACHINE_ID or HOST_KEY."""

    value: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.nodes)} have the same {self.what} ({self.value}), so it identifies none of them"


MACHINE_ID = "machine-id"
HOST_KEY = "ssh host key"


def shared_identities(machines: Iterable[MachineIdentity]) -> tuple[SharedIdentity, ...]:
    """Every machine-id and every ssh host key that more than one node has."""
    found: dict[tuple[str, str], set[str]] = {}
    for machine in machines:
        for what, value in ((MACHINE_ID, machine.machine_id), (HOST_KEY, machine.host_key)):
            if value:
                found.setdefault((what, value), set()).add(machine.node)
    return tuple(
        SharedIdentity(what, value, tuple(sorted(nodes)))
        for (what, value), nodes in sorted(found.items())
        if len(nodes) > 1
    )


def sharing(shared: Iterable[SharedIdentity], what: str) -> frozenset[str]:
    """The nodes that share `what`, which is MACHINE_ID or HOST_KEY, with another node."""
    return frozenset(node for each in shared if each.what == what for node in each.nodes)
