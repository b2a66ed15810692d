"""The result of a run or of an undo, node by node, and its exit code."""

import msgspec

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import NodeState

AS_BEFORE = (NodeState.UNDONE, NodeState.UNTOUCHED)
"""What an undo comes to for a node that is as it was before the run."""


def why_of(*reasons: str) -> str:
    """One text of several reasons, without those that are empty."""
    return "; ".join(filter(None, reasons))


class NodeResult(msgspec.Struct, frozen=True, rename="camel"):
    """How the run or the undo leaves one node, why, and how long it took.

    untouched: without a why its turn did not come. An undo that did not come to a node leaves it unknown.
    """

    node: str
    state: NodeState
    why: str = ""
    seconds: float = 0.0
    csrs: tuple[str, ...] = ()
    """The CSRs that were approved for it."""

    away: bool = False
    """It was not there, not Ready or another version at its turn: the run went on without it."""

    for_good: bool = False
    """It failed with something that cannot be taken back: a certificate with other names than planned."""

    settled: bool = False
    """Of an undo: the same command again would come to the same."""

    not_well: bool = False
    """Of an undo: it put the node back, and the node is not seen to be well."""

    def __str__(self) -> str:
        """How it ended and why, for a person."""
        return f"{self.state}{': ' + self.why if self.why else ''}"


class ConfigMapResult(msgspec.Struct, frozen=True):
    """What was done with the ConfigMap, in words for a person; empty for nothing. failed: it is not as planned.

    written: this run has written it, now or before. settled: the same call again would come to the same. forbidden: the user lacks a right to it.
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
    """Why no other node was begun after one had failed; empty if that was not so."""

    left_out: tuple[LeftOut, ...] = ()
    """Nodes that the plan does not touch although they are not well, or not any more."""

    lost_to: str | None = None
    """The run that has the Lease now, which was lost on the way: empty where nobody is known to. None: it was not lost."""

    undo: str = ""
    """The command that undoes what this run has changed, now or when it was carried out before; empty if that is nothing."""

    @property
    def exit_code(self) -> ExitCode:
        """0 all done, 4 stopped with some nodes done or nothing changed, 5 undone, 130 interrupted.

        3 if all that was planned is done, and the plan had left out nodes that are not well.
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
