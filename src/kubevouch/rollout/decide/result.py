"""The result of a run, node by node, and its exit code."""

from enum import StrEnum

import msgspec

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.rollout.decide.plan import LeftOut


class NodeOutcome(StrEnum):
    """How the run, or an undo of it, ended for a node. A word has one meaning, whichever of the two says it."""

    DONE = "done"
    """Every gate passed, and the change is committed. Never of an undo."""

    UNDONE = "undone"
    """It is as it was before."""

    STOPPED = "stopped"
    """Nothing was changed on it, or nothing that would have to be undone."""

    UNKNOWN = "unknown"
    """It could not be reached; its own switch undoes the change, or has undone it."""

    SKIPPED = "skipped"
    """It was not there, not Ready or another version at its turn: nothing was changed on it, and the run went on."""

    DOWN = "down"
    """It was put back, and its kubelet does not stay up with its former files either: somebody has to look at it."""

    UNTOUCHED = "untouched"
    """The run ended before it was its turn. Never of an undo."""

    NOT_CHANGED = "not changed"
    """Of an undo: the run had changed nothing on it."""

    NOT_PUT_BACK = "not put back"
    """Of an undo: it ended before it was this node's turn, so what the run has changed there stands."""


AS_BEFORE = (NodeOutcome.UNDONE, NodeOutcome.NOT_CHANGED)
"""What an undo comes to for a node that is as it was before the run."""


class NodeResult(msgspec.Struct, frozen=True):
    """One node: how it ended, why, and how long it took."""

    node: str
    outcome: NodeOutcome
    why: str = ""
    seconds: float = 0.0
    csrs: tuple[str, ...] = ()
    """The CSRs that were approved for it."""

    armed: bool = False
    """It may be armed still: its own switch puts it back, unless the run goes on."""

    for_good: bool = False
    """It failed with something that cannot be taken back: a certificate with other names than planned."""

    settled: bool = False
    """Of an undo: the same command again would come to the same."""

    later_run: str = ""
    """Of an undo: the run that has changed the node since this one, and is to be undone in its place."""

    overtaken: bool = False
    """It was put back since its own switch was due before it was proven: nothing says that its change was a bad one."""

    unapproved: bool = False
    """It waited in vain for the approval of a CSR: the policy holds it, or somebody has denied it."""

    def __str__(self) -> str:
        """How it ended and why, for a person."""
        return f"{self.outcome}{': ' + self.why if self.why else ''}"


class LostLease(msgspec.Struct, frozen=True):
    """That the cluster's Lease was lost on the way. run: which has it now; empty where nobody is known to."""

    run: str


class RunResult(msgspec.Struct, frozen=True):
    """All nodes in the order of the run, and the ConfigMap."""

    run: str
    nodes: tuple[NodeResult, ...]
    config_map: str
    """What was done with it, for a person; empty for nothing."""

    config_map_failed: bool = False
    config_map_settled: bool = False
    """Of an undo: the same command again would leave it as it is, too."""

    config_map_forbidden: bool = False
    """Of an undo: the user lacks a right to it, and so would the same command again."""

    interrupted: bool = False
    stopped: str = ""
    """Why no other node was begun after one had failed; empty if that was not so."""

    left_out: tuple[LeftOut, ...] = ()
    """Nodes that the plan does not touch although they are not well, or not any more."""

    lost_lease: LostLease | None = None
    """Why no other node was begun, where it is that; None for a run that held the Lease to its end, or needed none."""

    undo: str = ""
    """The command that undoes what this run has changed, now or when it was carried out before; empty if that is nothing."""

    @property
    def exit_code(self) -> ExitCode:
        """0 all done, 4 stopped with some nodes done or nothing changed, 5 undone, 130 interrupted.

        3 if all that was planned is done, and the plan had left out nodes that are not well.
        """
        outcomes = {each.outcome for each in self.nodes}
        codes = [ExitCode.OK]
        if self.interrupted:
            codes.append(ExitCode.INTERRUPTED)
        if NodeOutcome.UNDONE in outcomes:
            codes.append(ExitCode.STOPPED if NodeOutcome.DONE in outcomes else ExitCode.UNDONE)
        if (
            outcomes
            & {NodeOutcome.STOPPED, NodeOutcome.UNKNOWN, NodeOutcome.DOWN, NodeOutcome.UNTOUCHED}
            and not self.interrupted
        ):
            only_untouched = outcomes <= {NodeOutcome.UNDONE, NodeOutcome.UNTOUCHED}
            codes.append(ExitCode.UNDONE if only_untouched else ExitCode.STOPPED)
        if self.config_map_failed:
            codes.append(ExitCode.STOPPED)
        if self.left_out or NodeOutcome.SKIPPED in outcomes:
            codes.append(ExitCode.COULD_NOT_TELL)
        return combined_exit_code(codes)
