"""Errors that stop a run, or its work on one node, before a write."""

from collections.abc import Sequence
from enum import StrEnum

from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.node.errors import NodeError, NoRoot, ScriptFailed


class LeadsOn(StrEnum):
    """What the operator should do about a node that was left out, did not answer or was refused.

    If several nodes need different actions, the advice is the one that is defined first here.
    """

    DOCTOR = "doctor"
    """Run `kubevouch doctor`, which finds the fault in the API or at the kubelet's port."""

    REACH = "reach"
    """Log in to the host: the node did not answer, or another machine answered."""

    ROOT = "root"
    """Check what sudo allows: the login succeeds, but not as root."""

    BY_SSH = "by-ssh"
    """Make the same plan with --via ssh."""

    NODE = "node"
    """Open a shell on the node, and fix what the message describes."""

    STATUS = "status"
    """Look at the Node object: the reason is in its status."""

    WORD = "word"
    """Confirm that the address to which ssh connected belongs to the node."""

    OTHER_KEY = "other-key"
    """Run `kubevouch status` without the plan: the node's ssh host key differs from the plan's."""

    CLUSTER = "cluster"
    """Select another kubeconfig context: this is not the plan's cluster."""

    RIGHTS = "rights"
    """Grant the missing permissions (`kubevouch apply --print-role`)."""

    NEW_PLAN = "new-plan"
    """Make a new plan."""

    NOTHING = "nothing"
    """Nothing helps: no plan can contain the node."""


class StoppedBefore(KubevouchError):
    """Raised before a change: a node or the cluster is not as planned, or a permission is missing.

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
    """This run does not hold the cluster's Lease, so it must not write. run: the run that holds it, if known."""


class AnotherHostKey(StoppedBefore):
    """A node's ssh host key differs from the plan's.

    A retry does not help: somebody must change the key or the plan.
    """


class NodeAway(StoppedBefore):
    """At its turn, a node no longer exists, is not Ready, or has a new kubelet version or address.

    The run skips the node.
    """


class NothingApplicable(KubevouchError):
    """The plan changes no node, since it leaves out every unhealthy node."""

    exit_code = ExitCode.COULD_NOT_TELL


def way_on(error: KubevouchError) -> LeadsOn:
    """Returns the advice for an error that concerns one node."""
    if isinstance(error, AnotherHostKey):
        return LeadsOn.OTHER_KEY
    if isinstance(error, NoRoot):
        return LeadsOn.ROOT
    if isinstance(error, ScriptFailed):
        return LeadsOn.NODE
    return LeadsOn.REACH if isinstance(error, NodeError) else LeadsOn.NEW_PLAN
