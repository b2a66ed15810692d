"""Errors that stop a run before its first write, or that prevent a plan."""

from collections.abc import Sequence
from enum import StrEnum

from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.node.errors import NodeError, NoRoot, ScriptFailed


class LeadsOn(StrEnum):
    """What helps with a node that was left out, did not answer or was refused.

    If nodes have different reasons, the first one in this order is used.
    """

    DOCTOR = "doctor"
    """Run doctor: the API or the kubelet's port shows the reason."""

    REACH = "reach"
    """Log in to the host: the node did not answer, or another machine answered."""

    ROOT = "root"
    """Check what sudo allows: the login succeeds, but not as root."""

    BY_SSH = "by-ssh"
    """Make the same plan with --via ssh."""

    NODE = "node"
    """Follow the reason's advice in a shell on the node."""

    STATUS = "status"
    """Look at the Node object: the reason is about its status."""

    WORD = "word"
    """Confirm that the node is at the address that ssh reached."""

    OTHER_KEY = "other-key"
    """Run status without the plan: the ssh host key that answered is not the plan's."""

    CLUSTER = "cluster"
    """Use another context: this is not the plan's cluster."""

    RIGHTS = "rights"
    """Grant the missing roles."""

    NEW_PLAN = "new-plan"
    """Make a new plan."""

    NOTHING = "nothing"
    """Nothing helps: no plan can contain the node."""


class StoppedBefore(KubevouchError):
    """Something differs from the plan. Nothing was changed.

    run: the run that is armed on the node, if that is the reason. begun: nodes on which the plan's
    own run is armed. shown_by: a command on this machine that shows the problem, if any.
    """

    exit_code = ExitCode.STOPPED

    def __init__(
        self,
        where: str,
        seen: str,
        expected: str = "",
        *,
        way: LeadsOn = LeadsOn.NEW_PLAN,
        run: str = "",
        begun: tuple[str, ...] = (),
        shown_by: Sequence[str] = (),
    ) -> None:
        super().__init__(where, seen, expected)
        self.way = way
        self.run = run
        self.begun = begun
        self.shown_by = tuple(shown_by)


class NotTheHolder(StoppedBefore):
    """Another run holds the cluster's Lease, so this run must not write. run: the holder, if known."""


class AnotherHostKey(StoppedBefore):
    """The ssh host key that answered for a node is not the plan's.

    A retry does not help: somebody must change the key or the plan.
    """


class NodeAway(StoppedBefore):
    """A node is missing or not Ready at its turn, or was upgraded: the run continues without it."""


class ClusterNotRead(KubevouchError):
    """The cluster's identity could not be read. lacks_rights: whether the user lacks the right."""

    def __init__(self, where: str, seen: str, *, lacks_rights: bool) -> None:
        super().__init__(where, seen)
        self.lacks_rights = lacks_rights


class NotMadeByKubeadm(KubevouchError):
    """Another tool made the cluster, so kubevouch makes no plan."""


class NothingApplicable(KubevouchError):
    """The plan leaves out all unhealthy nodes, so there is nothing to do."""

    exit_code = ExitCode.COULD_NOT_TELL


def way_on(error: KubevouchError) -> LeadsOn:
    """The next command or advice if a node did not answer."""
    if isinstance(error, AnotherHostKey):
        return LeadsOn.OTHER_KEY
    if isinstance(error, NoRoot):
        return LeadsOn.ROOT
    if isinstance(error, ScriptFailed):
        return LeadsOn.NODE
    return LeadsOn.REACH if isinstance(error, NodeError) else LeadsOn.NEW_PLAN
