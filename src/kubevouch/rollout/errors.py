"""Errors that stop a run before its first write, or that prevent a plan."""

from collections.abc import Sequence
from enum import StrEnum

from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.node.errors import NodeError, NoRoot, ScriptFailed


class LeadsOn(StrEnum):
    """What leads on from the reason why a node was left out, not asked or refused. The first of several nodes' counts."""

    DOCTOR = "doctor"
    """The reason shows in the API or on the wire: doctor says more about it."""

    REACH = "reach"
    """A login at its host: it could not be asked there, or another machine has answered."""

    ROOT = "root"
    """What sudo allows there: the host lets us in, and nobody there is root."""

    BY_SSH = "by-ssh"
    """The same plan by ssh."""

    NODE = "node"
    """What somebody does in a shell on the node, as the reason says."""

    STATUS = "status"
    """A look at what its Node claims: the reason is about that."""

    WORD = "word"
    """The operator's word that the node is at the address at which ssh reached it: nothing else is missing."""

    OTHER_KEY = "other-key"
    """A look without the plan: who answers has another ssh host key than the plan says."""

    CLUSTER = "cluster"
    """Another context: this is not the plan's cluster."""

    RIGHTS = "rights"
    """The roles that are lacking."""

    NEW_PLAN = "new-plan"
    """Nothing else is known to."""

    NOTHING = "nothing"
    """It can never be planned for."""


class StoppedBefore(KubevouchError):
    """Something is not as the plan says: nothing was changed anywhere.

    run: that is armed on the node, if that is the reason. begun: nodes of the plan on which its own run is armed.
    shown_by: the command that shows what is wrong on this machine, if it is that.
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
    """Another run holds the cluster's Lease, so that this one must write nothing (any more). run: the one that holds it, where that is known."""


class AnotherHostKey(StoppedBefore):
    """Who answers for a node has another ssh host key than in the plan. Asked again it is the same, unless somebody changes one of the two."""


class NodeAway(StoppedBefore):
    """A node is not there, or not well by itself, at its turn: the run goes on without it."""


class ClusterNotRead(KubevouchError):
    """What binds a plan to its cluster could not be read. lacks_rights: because the user may not."""

    def __init__(self, where: str, seen: str, *, lacks_rights: bool) -> None:
        super().__init__(where, seen)
        self.lacks_rights = lacks_rights


class NotMadeByKubeadm(KubevouchError):
    """Something else made the cluster, which has a way of its own: no plan is made."""


class NothingApplicable(KubevouchError):
    """The plan leaves out every node that is not well: there is nothing to carry out."""

    exit_code = ExitCode.COULD_NOT_TELL


def way_on(error: KubevouchError) -> LeadsOn:
    """What leads on from a node that could not be asked."""
    if isinstance(error, AnotherHostKey):
        return LeadsOn.OTHER_KEY
    if isinstance(error, NoRoot):
        return LeadsOn.ROOT
    if isinstance(error, ScriptFailed):
        return LeadsOn.NODE
    return LeadsOn.REACH if isinstance(error, NodeError) else LeadsOn.NEW_PLAN
