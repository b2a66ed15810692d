"""Chooses the advice after `status`, and describes the run in progress, if any. Pure.

Both follow from the nodes' states and the Lease.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from shlex import quote

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.rollout.decide.advice import (
    BY_SSH,
    Argv,
    Case,
    NextStep,
    run_word,
    shows_why,
    sleeps,
    some,
    step,
)
from kubevouch.rollout.decide.plan import NodeOptions
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, RunOnNode
from kubevouch.rollout.errors import LeadsOn

_RETRIES = 15
"""Seconds after which a failed dead-man's switch retries (undo.sh)."""

_LONGEST_SLEEP = 600
"""The longest sleep in a command, in seconds: a node may report a dead-man's switch that fires in years."""


def exit_code_of(statuses: Iterable[RunOnNode]) -> ExitCode:
    """0: no run is armed. 1: a run is or may be armed. 3: a node's state is unknown."""
    states = {each.state for each in statuses}
    codes = [ExitCode.FINDINGS] if states & set(BEGUN) else []
    codes += [ExitCode.COULD_NOT_TELL] if NodeState.UNKNOWN in states else []
    return combined_exit_code(codes)


def who_writes(holder: RunHolder | None, doubt: str) -> str:
    """A message about the run in progress, according to the Lease.

    doubt: why the Lease could not be read.
    """
    if holder is None:
        return f"unknown: {doubt}" if doubt else "none"
    if holder.is_alive:
        return str(holder)
    return f"none; {holder} died (killed, or cut off from the API server)"


@dataclass(frozen=True)
class StatusFacts:
    """What `status` has found.

    run: the run that the operator named, if any. kept: runs whose plans are readable on this
    machine. newest: the newest kept run with a record on a node. planned: the nodes on which `run`
    writes (or `newest`, if `run` is empty); None if its plan is unknown. Nodes whose CSR only needs
    approval are not among them, since they get no record. nodes: the nodes that --node selected.
    way: how we reached them. file: the plan's path, if the operator gave it instead of a run's name
    and this machine does not keep the plan. away: the command that checks whether the API server
    answers again; empty if it answered.
    """

    statuses: Sequence[RunOnNode]
    run: str = ""
    holder: RunHolder | None = None
    kept: Collection[str] = ()
    newest: str = ""
    planned: Collection[str] | None = None
    nodes: Sequence[str] = ()
    way: NodeOptions = BY_SSH
    file: str = ""
    away: str = ""

    def looks(self, case: Case, run: str, waits: int = 0, **words: Argv | str) -> NextStep:
        """A step with the `status` command for that run and the selected nodes.

        waits: seconds to sleep before the command.
        """
        words = {"run": self.word(run), "nodes": some(self.nodes), "sleep": sleeps(waits), **words}
        return step(case, **words)

    def goes_on(self, case: Case, run: str, waits: int = 0, nodes: Sequence[str] = ()) -> NextStep:
        """The step for an unfinished run on these nodes: `resume` or `undo`, depending on the case.

        If the run's plan is not on this machine, the step is `status`, with a note that tells where
        to continue the run.
        """
        there = step(case, run=self.word(run), nodes=some(nodes))
        if self.is_here(run):
            return there
        return self.looks(Case.ELSEWHERE, run, waits, does=there.command)

    def word(self, run: str) -> str:
        """The run's name or the path of its plan, as an argument of a command."""
        return quote(self.file) if self.file and run == self.run else run_word(run)

    def is_here(self, run: str) -> bool:
        """Whether the run's plan is on this machine."""
        return run in self.kept or (bool(self.file) and run == self.run)


def next_for_status(found: StatusFacts) -> NextStep:
    """The next step after `status`.

    The step is about the first of these that applies: a run in progress, an interrupted undo, armed
    nodes, or a node in an unknown state. Otherwise it follows from the nodes' states in one run:
    the run that the operator named, else the Lease's run, else the newest run. If the API server
    did not answer, a command that checks the API server comes first, unless the step is about a
    node in an unknown state.
    """
    holder = found.holder
    if holder is not None and holder.is_alive:
        return _running(found, holder)
    begun = [each for each in found.statuses if each.state in BEGUN]
    begun.sort(key=lambda each: each.run != found.run)  # the requested run comes first
    subjects = {found.run or "", *(each.run for each in begun)}
    silent = next((each for each in found.statuses if each.state is NodeState.UNKNOWN), None)
    if holder is not None and holder.undoes and subjects & {"", holder.run}:
        # The undo must be finished, whichever nodes are armed.
        after = found.goes_on(Case.UNDO_CUT_OFF, holder.run, nodes=holder.undone_nodes)
    elif begun:
        after = _begun(found, begun)
    elif silent:
        return _silent(found, silent)
    else:
        after = _ended(found)
    return NextStep(found.away, after.command, after.note) if found.away else after


def _running(found: StatusFacts, holder: RunHolder) -> NextStep:
    name = run_word(holder.run)
    what = f"run {name}" if name else "a run"
    if holder.undoes:
        what = f"the undo of {what}"
    seconds = holder.counts_for
    waits = seconds if holder.is_late else 0
    run = found.run or holder.run
    return found.looks(Case.RUNNING, run, waits, what=what, seconds=str(seconds))


def _begun(found: StatusFacts, begun: Sequence[RunOnNode]) -> NextStep:
    run = next((each.run for each in begun if found.is_here(each.run)), begun[0].run)
    of_run = [each for each in begun if each.run == run]
    if failed := [each.node for each in of_run if each.state is NodeState.FAILED]:
        return found.goes_on(Case.FAILED, run, nodes=failed)
    left = max(each.fires_in or 0 for each in of_run)
    return found.goes_on(Case.GO_ON, run, min(max(left, 0), _LONGEST_SLEEP) + _RETRIES)


def _silent(found: StatusFacts, silent: RunOnNode) -> NextStep:
    why, node, way = silent.leads_on, silent.node, found.way
    if why is LeadsOn.OTHER_KEY:
        return step(Case.OTHER_KEY, nodes=some([node]), way=way.flags, node=node)
    if why not in (LeadsOn.REACH, LeadsOn.ROOT, LeadsOn.NODE):
        return found.looks(Case.LOOK, found.run)
    return found.looks(Case.SILENT, found.run, shows=shows_why(why, node, silent.host, way))


def _ended(found: StatusFacts) -> NextStep:
    """The next step if no dead-man's switch is armed.

    If the Lease still names a run that died, that run is unfinished, even if all nodes on
    which it began are done.
    """
    silent = found.holder
    run = found.run or (silent.run if silent is not None else found.newest)
    every = {each.state for each in found.statuses}
    begun = {
        each.node: each.state
        for each in found.statuses
        if each.run == run and each.state is not NodeState.UNTOUCHED
    }
    left = {each.node for each in found.statuses} - set(begun)
    if found.planned is not None and run == (found.run or found.newest):
        left &= set(found.planned)
    states = {*begun.values(), *([NodeState.UNTOUCHED] if left else [])}
    is_cut_off = silent is not None and silent.run == run
    is_well = NodeState.DONE in every and NodeState.UNDONE not in every
    if not found.is_here(run):
        if is_cut_off and NodeState.UNDONE not in every:
            return found.goes_on(Case.GO_ON, run)
    elif NodeState.UNDONE in states:
        case = Case.UNDONE_IN_PART if NodeState.DONE in states else Case.UNDONE
        return step(case, run=found.word(run))
    elif is_cut_off or (NodeState.UNTOUCHED in states and (found.run or NodeState.DONE in states)):
        return found.goes_on(Case.GO_ON, run)
    return step(Case.VERIFY if is_well else Case.DOCTOR)
