"""The result of a run or of an undo, node by node, and its exit code."""

import msgspec

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import NodeState

AS_BEFORE = (NodeState.UNDONE, NodeState.UNTOUCHED)
"""The results of an undo for a node that is as before the run."""


def why_of(*reasons: str) -> str:
    """One text of several reasons, without the empty ones."""
    return "; ".join(filter(None, reasons))


class NodeResult(msgspec.Struct, frozen=True, rename="camel"):
    """How the run or the undo leaves one node, why, and how long it took.

    untouched: without a why, its turn did not come. If an undo did not reach a node, its state is
    unknown.
    """

    node: str
    state: NodeState
    why: str = ""
    seconds: float = 0.0
    csrs: tuple[str, ...] = ()
    """The CSRs that were approved for it."""

    away: bool = False
    """It was missing, not Ready or had another version at its turn: the run went on without it."""

    for_good: bool = False
    """It failed for good: it has a certificate with other names than planned, and nothing can
    take that back."""

    settled: bool = False
    """For an undo: the same command again would change nothing."""

    not_well: bool = False
    """For an undo: it put the node back, but the node does not look healthy."""

    def __str__(self) -> str:
        """How it ended and why, for a person."""
        return f"{self.state}{': ' + self.why if self.why else ''}"


class ConfigMapResult(msgspec.Struct, frozen=True):
    """What was done with the ConfigMap, in words for a person; empty for nothing. failed: it is not as planned.

    written: this run has written it, now or before. settled: the same command again would change
    nothing. forbidden: the user lacks a right to it.
    """

    text: str = ""
    failed: bool = False
    written: bool = False
    settled: bool = False
    forbidden: bool = False


class RunResult(msgspec.Struct, frozen=True, rename="camel"):
    """All nodes in the order of the run, and the ConfigMap."""

    run: str
    nodes: tuple[NodeResult, ...]
    config_map: ConfigMapResult = ConfigMapResult()
    interrupted: bool = False
    stopped: str = ""
    """Why no other node began after one had failed; empty if that was not so."""

    left_out: tuple[LeftOut, ...] = ()
    """Nodes that the plan does not touch although they are not well, or no longer are."""

    lost_to: str | None = None
    """The run that took over the Lease; empty if that is unknown. None: this run did not lose
    it."""

    undo: str = ""
    """The command that undoes what this run has changed, now or before; empty if that is
    nothing."""

    @property
    def exit_code(self) -> ExitCode:
        """0 all done, 4 stopped with some nodes done or nothing changed, 5 undone, 130 interrupted.

        3 if all planned nodes are done, but the plan had left out nodes that are not well.
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
