"""The operator's own command that shows why a node could not be asked. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import join

from kubevouch.rollout.decide.plan import Plan, Via
from kubevouch.rollout.decide.run_status import RunOnNode


@dataclass(frozen=True)
class WayToNodes:
    """How scripts get to the nodes. ssh_config, ssh_user: empty for the operator's own."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""


def way_of(plan: Plan) -> WayToNodes:
    """As the plan goes to its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def said_again(way: WayToNodes) -> list[str]:
    """How ssh goes there, as it is said on our command line."""
    config = ["--ssh-config", way.ssh_config] if way.ssh_config else []
    return [*config, *(["--ssh-user", way.ssh_user] if way.ssh_user else [])]


def reached_otherwise(
    statuses: Iterable[RunOnNode], tried: WayToNodes, plans: Sequence[Plan], first: str = ""
) -> Mapping[str, str]:
    """By the name of a node that could not be asked as was tried: the run whose plan goes there in another way.

    plans: of the cluster, the newest first. What was known to be armed there counts before all, and then the run `first`.
    """
    names = {plan.run: {each.node for each in plan.nodes} for plan in plans}
    found = {}
    for each in statuses:
        there = [plan for plan in plans if each.host and each.node in names[plan.run]]
        order = (each.last_known_armed, first)
        named = (plan for run in order for plan in there if plan.run == run)
        plan = next(named, there[0] if there else None)
        if plan and (way_of(plan) != tried or plan.ask_sudo_password):
            found[each.node] = plan.run
    return found


def reaching(node: str, host: str, way: WayToNodes) -> str:
    """Shows why the node cannot be reached. host: that was asked."""
    if way.via != "ssh":
        return showing_its_status(node)
    return _ssh(host, way, (), ("true",))


def becoming_root(host: str, way: WayToNodes) -> str:
    """Shows what sudo allows there. With a terminal (-t): it may ask there, as it did us."""
    return _ssh(host, way, ("-t",), ("sudo", "-l"))


def seeing_its_answer(node: str, host: str, way: WayToNodes) -> str:
    """Shows what a shell there says to whoever logs in: it ran our script, and gave no answer that can be read."""
    return logging_in(host, way) if way.via == "ssh" else reaching(node, host, way)


def logging_in(host: str, way: WayToNodes) -> str:
    """A shell there, for what only a person can do on it."""
    return _ssh(host, way, (), ())


def showing_its_status(node: str) -> str:
    """Shows what the Node claims: names, addresses, conditions."""
    return join(["kubectl", "describe", "node", node])


def showing_why_silent(
    node: str, host: str, way: WayToNodes, *, lacks_root: bool, lacks_answer: bool
) -> str:
    """Shows why a node was asked in vain. host: that was asked."""
    if lacks_root:
        return becoming_root(host, way)
    return (seeing_its_answer if lacks_answer else reaching)(node, host, way)


def _ssh(host: str, way: WayToNodes, flags: Sequence[str], command: Sequence[str]) -> str:
    config = ["-F", way.ssh_config] if way.ssh_config else []
    user = ["-l", way.ssh_user] if way.ssh_user else []
    return join(["ssh", *config, *user, *flags, "--", host, *command])
