"""The operator's own command that shows why a node could not be asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import join

from kubevouch.rollout.decide.plan import Plan, Via


@dataclass(frozen=True)
class WayToNodes:
    """How scripts get to the nodes. ssh_config, ssh_user: empty for the operator's own."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""


def way_of(plan: Plan) -> WayToNodes:
    """As the plan goes to its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def reaching(node: str, host: str, way: WayToNodes) -> str:
    """Shows why the node cannot be reached. host: that was asked."""
    if way.via != "ssh":
        return join(["kubectl", "describe", "node", node])
    return _ssh(host, way, (), ("true",))


def becoming_root(host: str, way: WayToNodes) -> str:
    """Shows what sudo allows there. With a terminal (-t): it may ask there, as it did us."""
    return _ssh(host, way, ("-t",), ("sudo", "-l"))


def _ssh(host: str, way: WayToNodes, flags: Sequence[str], command: Sequence[str]) -> str:
    config = ["-F", way.ssh_config] if way.ssh_config else []
    user = ["-l", way.ssh_user] if way.ssh_user else []
    return join(["ssh", *config, *user, *flags, "--", host, *command])
