"""The result of a run or of an undo, node by node, and its exit code."""

import msgspec

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import NodeState

AS_BEFORE = (NodeState.UNDONE, NodeState.UNTOUCHED)
"""States of a node that is as before the run."""


def why_of(*reasons: str) -> str:
    """Joins the reasons that are not empty."""
    return "; ".join(filter(None, reasons))


class NodeResult(msgspec.Struct, frozen=True, rename="camel"):
    """A node's state after the run or the undo, why, and how long it took.

    A node whose turn never came is UNTOUCHED with an empty `why`, or UNKNOWN if this is an undo.
    """

    node: str
    state: NodeState
    why: str = ""
    seconds: float = 0.0
    csrs: tuple[str, ...] = ()
    """The node's approved CSRs."""

    away: bool = False
    """Whether the run skipped the node at its turn: it was gone or not Ready, or had changed."""

    for_good: bool = False
    """Whether the policy rejects an approved CSR or certificate of the node, which an undo
    cannot change."""

    settled: bool = False
    """For an undo: whether repeating the command would change nothing."""

    not_well: bool = False
    """For an undo: whether the node was restored but does not look healthy."""

    def __str__(self) -> str:
        """The state, and the reason if there is one."""
        return f"{self.state}{': ' + self.why if self.why else ''}"


class ConfigMapResult(msgspec.Struct, frozen=True):
    """What a run or an undo did with the ConfigMap.

    text: a message; empty if there was nothing to do.

    failed: whether the ConfigMap is not as intended. written: whether this run has written it, now
    or before. settled: whether repeating the command would change nothing. forbidden: whether the
    user lacks a permission.
    """

    text: str = ""
    failed: bool = False
    written: bool = False
    settled: bool = False
    forbidden: bool = False


class RunResult(msgspec.Struct, frozen=True, rename="camel"):
    """The results of all nodes, in the order of the run, and the ConfigMap's result."""

    run: str
    nodes: tuple[NodeResult, ...]
    config_map: ConfigMapResult = ConfigMapResult()
    interrupted: bool = False
    stopped: str = ""
    """The failure, or the loss of the Lease, that stopped the run; empty if nothing did."""

    left_out: tuple[LeftOut, ...] = ()
    """Unhealthy nodes that the run left out."""

    lost_to: str | None = None
    """The run that took over the Lease; empty if unknown. None if this run did not lose the Lease."""

    undo: str = ""
    """The command that undoes all changes of the run, including those of earlier attempts.

    Empty if nothing was changed.
    """

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the run.

        0: all done. 3: all other nodes are done, but some were left out as unhealthy, or skipped.
        4: stopped after some nodes were done, or before any change. 5: undone. 130: interrupted.
        """
        nodes = [each for each in self.nodes if not each.away]
        states = {each.state for each in nodes}
        only_untouched = states <= {*AS_BEFORE} and not any(
            each.why for each in self.nodes if each.state is NodeState.UNTOUCHED
        )
        codes = [ExitCode.OK]
        if self.interrupted:
            codes.append(ExitCode.INTERRUPTED)
        if NodeState.UNDONE in states:
            codes.append(ExitCode.STOPPED if NodeState.DONE in states else ExitCode.UNDONE)
        if states - {NodeState.DONE, NodeState.UNDONE} and not self.interrupted:
            codes.append(ExitCode.UNDONE if only_untouched else ExitCode.STOPPED)
        if self.config_map.failed:
            codes.append(ExitCode.STOPPED)
        if self.left_out or len(nodes) < len(self.nodes):
            codes.append(ExitCode.COULD_NOT_TELL)
        return combined_exit_code(codes)
