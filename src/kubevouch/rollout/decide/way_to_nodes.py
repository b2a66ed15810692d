"""How scripts get to nodes, and the operator's own command that shows why a node could not be asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubevouch.rollout.decide.plan import Plan, Via


@dataclass(frozen=True)
class WayToNodes:
    """How scripts get to the nodes. ssh_config, ssh_user: empty for the operator's own."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""

    @property
    def said_again(self) -> list[str]:
        """How ssh goes there, as it is said on our command line."""
        config = ["--ssh-config", self.ssh_config] if self.ssh_config else []
        return [*config, *(["--ssh-user", self.ssh_user] if self.ssh_user else [])]

    def ssh(self, host: str, *command: str, flags: Sequence[str] = ()) -> list[str]:
        """A command of the operator's own ssh there; without one, a shell for what only a person can do."""
        config = ["-F", self.ssh_config] if self.ssh_config else []
        user = ["-l", self.ssh_user] if self.ssh_user else []
        return ["ssh", *config, *user, *flags, "--", host, *command]


BY_SSH = WayToNodes()


def way_of(plan: Plan) -> WayToNodes:
    """As the plan goes to its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def showing_its_status(node: str) -> list[str]:
    """Shows what the Node claims: names, addresses, conditions."""
    return ["kubectl", "describe", "node", node]


def showing_why_silent(
    node: str, host: str, way: WayToNodes, *, lacks_root: bool = False, lacks_answer: bool = False
) -> list[str]:
    """Shows why a node was asked in vain. host: that was asked.

    lacks_root: what sudo allows there, with a terminal (-t): it may ask there, as it did us. lacks_answer: what a shell there says.
    """
    if lacks_root:
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if way.via != "ssh":
        return showing_its_status(node)
    return way.ssh(host) if lacks_answer else way.ssh(host, "true")
