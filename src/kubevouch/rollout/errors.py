"""Errors that stop a run before its first write, or that prevent a plan."""

from collections.abc import Sequence
from enum import StrEnum

from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.node.errors import NodeError, NoRoot, ScriptFailed


class LeadsOn(StrEnum):
    """What helps with a node that was left out, did not answer or was refused.

    The first of several nodes counts.
    """

    DOCTOR = "doctor"
    """The API or the wire shows the reason: doctor says more."""

    REACH = "reach"
    """Log in at its host: the node could not be asked there, or another machine answered."""

    ROOT = "root"
    """Check what sudo allows there: the host lets us in, but not as root."""

    BY_SSH = "by-ssh"
    """Make the same plan by ssh."""

    NODE = "node"
    """Do what the reason says, in a shell on the node."""

    STATUS = "status"
    """Look at the claims of its Node: the reason is about them."""

    WORD = "word"
    """The operator must confirm that the node is at the address that ssh reached: only that is
    missing."""

    OTHER_KEY = "other-key"
    """Look without the plan: the ssh host key that answered is not the plan's."""

    CLUSTER = "cluster"
    """Use another context: this is not the plan's cluster."""

    RIGHTS = "rights"
    """Grant the missing roles."""

    NEW_PLAN = "new-plan"
    """Make a new plan: no other way is known."""

    NOTHING = "nothing"
    """Nothing: no plan can contain the node."""


class StoppedBefore(KubevouchError):
    """Something is not as the plan says. Nothing was changed anywhere.

    run: the run that is armed on the node, if that is the reason. begun: nodes of the plan on which
    its own run is armed.

    shown_by: the command that shows the problem on this machine, if there is one.
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

    It stays different until somebody changes one of the two.
    """


class NodeAway(StoppedBefore):
    """A node is missing, or unhealthy by itself, at its turn: the run goes on without it."""


class ClusterNotRead(KubevouchError):
    """What binds a plan to its cluster could not be read. lacks_rights: the user is not allowed to read it."""

    def __init__(self, where: str, seen: str, *, lacks_rights: bool) -> None:
        super().__init__(where, seen)
        self.lacks_rights = lacks_rights


class NotMadeByKubeadm(KubevouchError):
    """Another tool made the cluster and has its own way: kubevouch makes no plan."""


class NothingApplicable(KubevouchError):
    """The plan leaves out every unhealthy node: there is nothing to do."""

    exit_code = ExitCode.COULD_NOT_TELL


def way_on(error: KubevouchError) -> LeadsOn:
    """What helps with a node that could not be asked."""
    if isinstance(error, AnotherHostKey):
        return LeadsOn.OTHER_KEY
    if isinstance(error, NoRoot):
        return LeadsOn.ROOT
    if isinstance(error, ScriptFailed):
        return LeadsOn.NODE
    return LeadsOn.REACH if isinstance(error, NodeError) else LeadsOn.NEW_PLAN
