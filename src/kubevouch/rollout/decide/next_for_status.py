"""Which row of the advice `status` comes to, by what nodes and Lease say; and who carries a run out. Pure."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.advice import Argv, Case, NextStep, step
from kubevouch.rollout.decide.run_status import BEGUN, NodeState, RunOnNode
from kubevouch.rollout.decide.way_to_nodes import BY_SSH, WayToNodes, showing_why_silent

_TOO_LATE = 40
"""Seconds that a resume may need to prove a node: it watches the Lease for 15, looks for 5, and a CSR takes up to 20."""

_RETRIES = 15
"""Seconds after which a switch that did not succeed tries again (undo.sh)."""

_LONGEST_SLEEP = 600
"""Seconds: a node may say that its switch goes off in years."""


def exit_code_of(statuses: Iterable[RunOnNode]) -> ExitCode:
    """0: no run is armed anywhere. 1: one is, or may be. 3: of some node that could not be told."""
    states = {each.state for each in statuses}
    codes = [ExitCode.FINDINGS] if states & set(BEGUN) else []
    codes += [ExitCode.COULD_NOT_TELL] if NodeState.UNKNOWN in states else []
    return combined_exit_code(codes)


def who_writes(holder: RunHolder | None, doubt: str) -> str:
    """Who carries a run out now, for a person, by the Lease. doubt: why that is not known."""
    if holder is None:
        return f"not known: {doubt}" if doubt else "nobody"
    if holder.is_alive:
        return str(holder)
    return f"nobody: {holder} was cut off (killed, or away from the API server)"


@dataclass(frozen=True)
class StatusFacts:
    """What `status` has found.

    run: that was asked for. kept: runs whose plans are here and can be read. newest: the newest of these that a node has. nodes: only
    these were asked for. way: how they were. file: of the plan of `run`, where it was given by that and is not kept here. away: where the
    API server did not answer, the command that shows whether it does again.
    """

    statuses: Sequence[RunOnNode]
    run: str = ""
    holder: RunHolder | None = None
    kept: Collection[str] = ()
    newest: str = ""
    nodes: Sequence[str] = ()
    way: WayToNodes = BY_SSH
    file: str = ""
    away: str = ""

    def step(self, case: Case, run: str, waits: int = 0, **words: Argv | str) -> NextStep:
        """A row about that run, by its name or by its plan's file."""
        nodes = words.pop("nodes", some(self.nodes))
        return step(case, waits, run=self.word(run), nodes=nodes, **words)

    def word(self, run: str) -> str:
        """A Lease or a node may say anything: only the name of a run gets into a command line."""
        return self.file if self.file and run == self.run else run_word(run)

    def is_here(self, run: str) -> bool:
        """Whether its plan is."""
        return run in self.kept or (bool(self.file) and run == self.run)


def run_word(run: str) -> str:
    """The name of a run; empty for any other text."""
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The option that names these nodes; nothing for all."""
    return ["--nodes", ",".join(nodes)] if nodes else []


def next_for_status(found: StatusFacts) -> NextStep:
    """What comes next: of who is under way first, then of what is armed, of who is silent, and of a run that has not ended."""
    holder = found.holder
    if holder is not None and holder.is_alive:
        return _under_way(found, holder)
    begun = [each for each in found.statuses if each.state in BEGUN]
    begun.sort(key=lambda each: each.run != found.run)  # that was asked for comes first
    subjects = {found.run or "", *(each.run for each in begun)}
    if holder is not None and holder.undoes and subjects & {"", holder.run}:
        return _undo_cut_off(found, holder)
    if begun:
        return _begun(found, begun)
    if silent := next((e for e in found.statuses if e.state is NodeState.UNKNOWN), None):
        return _silent(found, silent)
    return _once_it_answers(found, _ended(found))


def _once_it_answers(found: StatusFacts, after: NextStep) -> NextStep:
    """While the API server is away, which refuses that command, what shows whether it is back comes first."""
    return NextStep(found.away, after.command, after.note) if found.away else after


def _under_way(found: StatusFacts, holder: RunHolder) -> NextStep:
    name = run_word(holder.run)
    what = f"run {name}" if name else "a run"
    if holder.undoes:
        what = f"the undo of {what}"
    run = found.run or holder.run
    waits = holder.counts_for if holder.is_late else 0
    return found.step(Case.UNDER_WAY, run, waits, what=what, seconds=str(holder.counts_for))


def _undo_cut_off(found: StatusFacts, holder: RunHolder) -> NextStep:
    """What it was to take back is not to be gone on with, whichever nodes are armed."""
    nodes = some(holder.undone_nodes)
    if found.is_here(holder.run):
        return found.step(Case.UNDO_CUT_OFF, holder.run, nodes=nodes)
    return found.step(Case.UNDO_CUT_OFF_ELSEWHERE, holder.run, nodes=(), where=holder.where)


def _begun(found: StatusFacts, begun: Sequence[RunOnNode]) -> NextStep:
    """begun: nodes on which a run has begun and not ended, one at least."""
    here = next((each.run for each in begun if found.is_here(each.run)), "")
    run = here or begun[0].run
    hand = [each for each in begun if each.run == run]
    left = max(each.fires_in or 0 for each in hand)
    waits = min(max(left, 0), _LONGEST_SLEEP) + _RETRIES
    failed = [each.node for each in hand if each.state is NodeState.FAILED]
    if not here:
        if failed:
            return found.step(Case.FAILED_ELSEWHERE, run)
        return found.step(Case.ARMED_ELSEWHERE, run, waits)
    if failed:
        return _once_it_answers(found, found.step(Case.FAILED, run, nodes=some(failed)))
    if all(each.fires_in is not None and each.fires_in < _TOO_LATE for each in hand):
        comes = f"goes off in {left} s" if left > 0 else "is at work"
        return found.step(Case.ARMED_TOO_LATE, run, waits, comes=comes)
    return _once_it_answers(found, found.step(Case.ARMED, run, nodes=()))


def _silent(found: StatusFacts, silent: RunOnNode) -> NextStep:
    if silent.other_key:
        ssh = found.way.said_again
        return found.step(
            Case.SILENT_OTHER_KEY, "", nodes=some([silent.node]), ssh=ssh, node=silent.node
        )
    if not silent.host:
        return found.step(Case.SILENT_UNSAID, found.run)
    if found.way.via == "local":
        return found.step(Case.SILENT_FROM_HERE, "", node=silent.node)
    shows = showing_why_silent(
        silent.node,
        silent.host,
        found.way,
        lacks_root=silent.lacks_root,
        lacks_answer=silent.lacks_answer,
    )
    return found.step(Case.SILENT, found.run, shows=shows)


def _ended(found: StatusFacts) -> NextStep:
    """Nothing is armed. A holder that is silent was cut off: its run has not come to its end, even if all that it has begun is done."""
    silent = found.holder
    run = found.run or (silent.run if silent is not None else found.newest)
    every = {each.state for each in found.statuses}
    is_well = NodeState.DONE in every and NodeState.UNDONE not in every
    plain = step(Case.VERIFY if is_well else Case.DOCTOR)
    is_cut_off = silent is not None and silent.run == run
    if not found.is_here(run):
        if silent is None or not is_cut_off or NodeState.UNDONE in every:
            return plain
        return found.step(Case.CUT_OFF_ELSEWHERE, run, nodes=(), where=silent.where)
    states = {each.state for each in found.statuses if each.run == run}
    if any(each.run != run for each in found.statuses):
        states.add(NodeState.UNTOUCHED)
    if NodeState.UNDONE in states:
        is_whole = not is_cut_off and NodeState.DONE not in states
        return found.step(Case.UNDONE if is_whole else Case.PARTLY_UNDONE, run, nodes=())
    if is_cut_off:
        return found.step(Case.CUT_OFF, run, nodes=())
    if NodeState.UNTOUCHED in states and (found.run or NodeState.DONE in states):
        return found.step(Case.NOT_ALL_BEGUN, run, nodes=())
    return plain
